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


"""The notifier, made to die at a chosen point.

    notifier_at.py <point> --config-file ...

At points of the engine (engine_at.py), the notifier dies with the engine.
"""

import os
import signal
import sys
import threading
import time

from nova_temporality.cmd import notifier
from nova_temporality.qemu import qmp
from nova_temporality.qemu import route
from nova_temporality.snapshot import saving
from nova_temporality.vault import data
from nova_temporality.vault import writing
from nova_temporality import vpm
from nova_temporality.vpm import link
from tests.framework import engine_at


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


def once(when, number=1):
    """True that time only."""
    seen = []

    def wrapper(*args):
        if when(*args):
            seen.append(True)
            return len(seen) == number
        return False
    return wrapper


def calls_of(name):
    """Whether a function of this name is being executed."""
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name != name:
        frame = frame.f_back
    return frame is not None


def hang(pid):
    os.kill(pid, signal.SIGSTOP)


def fail_power(_pool):
    """Signal 44; returns when it was taken, and had time to have an effect."""
    os.kill(os.getpid(), 44)
    # It is blocked, and pending until a thread takes it.
    while 44 in signal.sigpending():
        time.sleep(0.01)
    time.sleep(0.5)


def copy_for_ever(_pool, _region, _directory, _disks, _at_most, check):
    """Have the power fail, and copy until that ends it."""
    os.kill(os.getpid(), 44)
    while True:
        check()
        time.sleep(0.01)


def end_late():
    """QEMU hangs when it is to quit, and is not killed either."""
    before(qmp.QmpClient, 'command', lambda client: hang(client.pid),
           is_command('quit'))
    signal.pidfd_send_signal = lambda *args: None


def hang_at_copy(_pool, _region, directory, _disks, _at_most, _check):
    """Copy for ever, without asking whether to end."""
    os.mkdir(os.path.join(directory, 'copying'))
    threading.Event().wait()


def die_with_engine():
    before(link.Link, '_lose', lambda self: die())


def after_vaulting(action):
    """Do something when a server is durable in the vault."""
    write = writing._write_server

    def wrapper(*args):
        size = write(*args)
        action()
        return size
    writing._write_server = wrapper


def vault_for_ever():
    """Write a part of a server to the vault, and do not get on."""
    write = data.write

    def wrapper(path, directory, part, number, check, there):
        write(path, directory, part, number, check, there)
        while True:
            check()
            time.sleep(0.01)
    data.write = wrapper


POINTS = {
    **{point: die_with_engine for point in engine_at.STEPS},
    engine_at.HANG: lambda: None,
    'before-epoch': lambda: before(
        vpm.Pool, 'begin_epoch', lambda self: die()),
    'before-cont': lambda: before(
        qmp.QmpClient, 'command', lambda self: die(), is_command('cont')),
    'after-cont': lambda: after(
        qmp.QmpClient, 'command', lambda self: die(), is_command('cont')),
    'power-fails-at-verify': lambda: before(
        vpm.Pool, 'verify_state', fail_power,
        once(lambda *args: calls_of('_drill'))),
    # Servers of tests are too small for it to be chosen.
    'snapshot-route': lambda: setattr(
        route, 'choose', lambda *args: (route.SNAPSHOT, None)),
    'power-fails-at-suspend': lambda: before(
        vpm.Pool, 'verify_state', fail_power,
        once(lambda *args: calls_of('_suspend'))),
    # Of two pVMs, both of which have drilled together.
    'power-fails-at-third-resume': lambda: before(
        vpm.Pool, 'begin_epoch', fail_power,
        once(lambda *args: calls_of('_drill'), 3)),
    'power-fails-at-copy': lambda: setattr(
        saving, 'save', copy_for_ever),
    'hang-at-copy': lambda: setattr(saving, 'save', hang_at_copy),
    'at-copy': lambda: setattr(saving, 'save', lambda *args: die()),
    'qemu-ends-late': end_late,
    'after-vaulting': lambda: after_vaulting(die),
    'vault-for-ever': vault_for_ever,
}


if __name__ == '__main__':
    POINTS[sys.argv.pop(1)]()
    sys.exit(notifier.main())
