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

"""The same commands again and again, of which only changes are looked at.

What QEMU answers is parsed once. As long as it says the same, byte by byte,
nothing has changed: to ask again takes some microseconds.
"""

from collections import abc
import itertools
import json
import socket
from typing import Any

from nova_temporality.qemu import qmp as qmp_module

# Answers to an earlier question must not be taken for those to a later one.
_numbers = itertools.count(1)


class Question:
    """Some commands, given to one QEMU; to be used by one thread at a time.

    :param qmp: connection to QEMU
    :param commands: names and arguments
    :ivar is_answered: whether nothing is left to be heard
    """

    def __init__(self, qmp: qmp_module.QmpClient, commands: abc.Sequence[
            tuple[str, abc.Mapping[str, Any]]]) -> None:
        self._qmp = qmp
        self._names = [name for name, _arguments in commands]
        self._label = 'question-%d' % next(_numbers)
        # QEMU needs no newlines between commands.
        self._text = b''.join(json.dumps({
            'execute': name, 'arguments': arguments,
            'id': self._label}).encode() for name, arguments in commands)
        self._expected = b''
        self._heard = b''
        self.is_answered = True
        self._socket: socket.socket

    def ask(self, timeout: float) -> list[Any]:
        """Ask for the first time; return what the commands return.

        :param timeout: seconds until the connection is given up
        :raises: see QmpClient.command()
        """
        self._expected, returned = self._qmp.execute_all(
            self._names, self._text, self._label, timeout)
        return returned

    def begin(self) -> int:
        """Have the connection for this question alone, until end().

        :returns: its file descriptor
        :raises qmp.QmpConnectionError: it is closed
        """
        self._socket = self._qmp.lend()
        return self._socket.fileno()

    def repeat(self) -> None:
        """Ask again, without waiting.

        :raises OSError: QEMU has ended, or does not read
        """
        self.is_answered = False
        self._socket.send(self._text)

    def hear(self) -> bool:
        """Hear what came; return whether it is what QEMU said before.

        :raises OSError: QEMU has ended, or nothing came
        """
        # One byte more would be another answer already.
        said = self._socket.recv(len(self._expected) + 1)
        self._heard += said
        if self.is_answered or not said:
            return False
        self.is_answered = self._heard == self._expected
        if self.is_answered:
            self._heard = b''
        return self._expected.startswith(self._heard)

    def end(self) -> None:
        """Leave the connection to others, who hear what was not understood."""
        self._qmp.put_back(self._heard)
        self._heard = b''
