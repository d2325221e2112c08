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

"""Asks guests who they are, by a command that the configuration names."""

import shlex
import subprocess
import time
from typing import NamedTuple

# Seconds that the command may take for one answer.
_ONE_ANSWER = 30


class Life(NamedTuple):
    """Who a guest is.

    :ivar identity: the same until it is booted again
    :ivar uptime: seconds
    """

    identity: str
    uptime: float


def run(command: str, timeout: float, **places: str) -> str:
    """Run a configured command without a shell; return what it prints.

    :param timeout: seconds
    :param places: values of the ``{places}`` in it
    :raises RuntimeError: with what the command printed
    """
    for name, value in places.items():
        command = command.replace('{%s}' % name, value)
    try:
        done = subprocess.run(shlex.split(command), text=True,
                              encoding='utf-8',
                              timeout=timeout, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired as exc:
        raise RuntimeError(str(exc))
    if done.returncode:
        raise RuntimeError('%s: exit code %d: %s' % (
            command, done.returncode, (done.stderr or done.stdout).strip()))
    return done.stdout


def life(command: str, address: str, patience: float) -> Life:
    """Ask the guest at an address until it answers.

    :param command: [temporality] witness_command
    :param patience: seconds
    :raises RuntimeError: if there is no answer, or none that says who it is
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            answer = run(command, _ONE_ANSWER, address=address)
            break
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        time.sleep(1)
    try:
        identity, uptime, *_ = answer.split()
        return Life(identity, float(uptime))
    except ValueError:
        raise RuntimeError("%s printed '%s' instead of an identity and an "
                           "uptime" % (command, answer.strip()))
