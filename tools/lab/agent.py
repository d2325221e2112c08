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

"""The guest agent of the machine: runs commands in it.

Its protocol is in QEMU's documentation, "QEMU Guest Agent Protocol Reference".
"""

import base64
import json
import random
import socket
import subprocess
import time

from lab import layout

_POLL = 0.2


class AgentError(Exception):
    """The agent does not answer, or refuses."""


class Agent:
    """A connection to the agent.

    :param timeout: seconds until it has to answer
    """

    def __init__(self, timeout):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._stream = self._socket.makefile('rb')
        try:
            self._socket.connect(str(layout.AGENT))
            self._synchronise()
        except (OSError, ValueError) as e:
            self.close()
            raise AgentError('the machine does not answer: %s' % e)

    def close(self):
        # Both: the agent has room for one connection.
        self._stream.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_args):
        self.close()

    def _synchronise(self):
        # What was asked on an earlier connection may still be answered.
        number = random.SystemRandom().randrange(1 << 31)
        self._send('guest-sync', id=number)
        while self._receive().get('return') != number:
            pass

    def _send(self, command, **arguments):
        self._socket.sendall(json.dumps(
            {'execute': command, 'arguments': arguments}).encode() + b'\n')

    def _receive(self):
        line = self._stream.readline()
        if not line:
            raise AgentError('the machine is off')
        return json.loads(line.lstrip(b'\xff'))

    def call(self, command, **arguments):
        """What the agent answers to a command of its protocol."""
        try:
            self._send(command, **arguments)
            answer = self._receive()
        except (OSError, ValueError) as e:
            raise AgentError('the machine does not answer: %s' % e)
        if 'error' in answer:
            raise AgentError('%s: %s' % (command, answer['error']['desc']))
        return answer['return']

    def begin(self, script):
        """Have a shell run a script; return its pid."""
        return self.call(
            'guest-exec', path='/bin/sh', arg=['-c', script],
            env=['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root',
                 'LC_ALL=C.UTF-8'], **{'capture-output': True})['pid']

    def run(self, script):
        """Have a shell run a script to its end.

        :returns: subprocess.CompletedProcess
        """
        pid = self.begin(script)
        while True:
            status = self.call('guest-exec-status', pid=pid)
            if status['exited']:
                return subprocess.CompletedProcess(
                    script, status.get('exitcode', -1),
                    *(base64.b64decode(status.get(name, '')).decode(
                        errors='replace')
                      for name in ('out-data', 'err-data')))
            time.sleep(_POLL)

    def ask(self, script):
        """What a script writes; it has to succeed."""
        done = self.run(script)
        if done.returncode:
            raise AgentError('%s: exit code %d: %s' % (
                script, done.returncode, done.stderr or done.stdout))
        return done.stdout
