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

"""What a guest says of itself, by a command that the configuration names."""

import shlex
import subprocess
import time
import typing

_ONE_QUESTION = 30  # seconds


class Life(typing.NamedTuple):
    """Who a guest is.

    :ivar identity: the same until it is booted again
    :ivar uptime: seconds
    """

    identity: str
    uptime: float


def run(command, timeout, **places):
    """Run a configured command without a shell; return what it prints.

    :param timeout: seconds
    :param places: values of the ``{places}`` in it
    :raises RuntimeError: with the command's own words
    """
    for name, value in places.items():
        command = command.replace('{%s}' % name, value)
    try:
        done = subprocess.run(shlex.split(command), text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired as exc:
        raise RuntimeError(str(exc))
    if done.returncode:
        raise RuntimeError('%s: exit code %d: %s' % (
            command, done.returncode, (done.stderr or done.stdout).strip()))
    return done.stdout


def life(command, address, patience):
    """Ask the guest at an address until it answers.

    :param command: [temporality] witness_command
    :param patience: seconds
    :raises RuntimeError: if it doesn't answer, or with anything but a life
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            answer = run(command, _ONE_QUESTION, address=address)
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
