# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.


"""The notifier, made to die or to see QEMU hang at a chosen point.

    notifier_at.py <point> --config-file ...
"""

import os
import signal
import sys

from nova_temporality.cmd import notifier
from nova_temporality.notifier import fixation
from nova_temporality import qmp
from nova_temporality import vpm


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner, name, action, when=lambda *args: True):
    """Do something just before a method is called."""
    method = getattr(owner, name)

    def wrapper(self, *args, **kwargs):
        if when(*args):
            action(self)
        return method(self, *args, **kwargs)
    setattr(owner, name, wrapper)


def after(owner, name, action, when=lambda *args: True):
    """Do something just after a method was called."""
    method = getattr(owner, name)

    def wrapper(self, *args, **kwargs):
        result = method(self, *args, **kwargs)
        if when(*args):
            action(self)
        return result
    setattr(owner, name, wrapper)


def is_command(name):
    return lambda command, *args: command == name


def once(when):
    """True the first time only."""
    seen = []

    def wrapper(*args):
        if seen or not when(*args):
            return False
        seen.append(True)
        return True
    return wrapper


def hang(client):
    os.kill(client.pid, signal.SIGSTOP)


POINTS = {
    'after-begin': lambda: after(
        vpm.Fixation, 'begin', lambda self: die()),
    'before-stop': lambda: before(
        qmp.QmpClient, 'command', lambda self: die(), is_command('stop')),
    'after-stop': lambda: after(
        qmp.QmpClient, 'command', lambda self: die(), is_command('stop')),
    'after-migrate': lambda: after(
        qmp.QmpClient, 'command', lambda self: die(), is_command('migrate')),
    'after-receive': lambda: after(
        vpm.Fixation, 'receive', lambda self: die()),
    'before-commit': lambda: after(
        fixation.Attempt, 'begin_commit', lambda self: die()),
    'after-commit': lambda: after(
        vpm.Fixation, 'commit', lambda self: die()),
    'before-cont': lambda: before(
        qmp.QmpClient, 'command', lambda self: die(), is_command('cont')),
    'hang-qemu-at-first-migrate': lambda: before(
        qmp.QmpClient, 'command', hang, once(is_command('migrate'))),
}


if __name__ == '__main__':
    POINTS[sys.argv.pop(1)]()
    sys.exit(notifier.main())
