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

"""One connection to upsd of Network UPS Tools (NUT).

The protocol is that of RFC 9271 and of NUT's own "Network protocol
information": lines of ASCII over TCP, or, after STARTTLS, over TLS.
"""

import socket
import ssl
import time
from typing import Self

_MAX_LINE = 1024
# Seconds that upsd may take for an answer.
_PATIENCE = 5.0


class NutError(Exception):
    """upsd does not answer, or does not know the status of the UPS."""


class NutDenied(NutError):
    """upsd does not take user and password; it still answers questions."""


class Connection:
    """One connection to upsd.

    :param tls: context to secure the connection with, which checks upsd's
                certificate; None for a connection in the clear
    :raises: OSError (ssl.SSLError among them), NutError; as do its methods
    """

    def __init__(self, host: str, port: int,
                 tls: ssl.SSLContext | None = None) -> None:
        self._buffer = b''
        self._sock = socket.create_connection((host, port), _PATIENCE)
        try:
            if tls is not None:
                self._expect_ok('STARTTLS')
                self._sock.settimeout(_PATIENCE)
                # What came in the clear does not count.
                self._buffer = b''
                self._sock = tls.wrap_socket(self._sock, server_hostname=host)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._sock.close()

    def log_in(self, ups: str, user: str, password: str) -> None:
        """Log in: upsd counts the hosts that depend on the UPS.

        :raises: NutDenied
        """
        try:
            self._expect_ok('USERNAME ' + user)
            self._expect_ok('PASSWORD ' + password)
            self._expect_ok('LOGIN ' + ups)
        except _Refused as e:
            raise NutDenied(
                'upsd does not let user "%s" log in (%s): compare nut_user '
                'and nut_password with upsd.users' % (user, e.reply))

    def status(self, ups: str) -> str:
        """Return the words of ups.status, e.g. "OB LB"."""
        reply = self._ask('GET VAR %s ups.status' % ups)
        start = 'VAR %s ups.status "' % ups
        if not reply.startswith(start) or not reply.endswith('"'):
            raise NutError('upsd answers %.100r' % reply)
        return reply[len(start):-1]

    def _expect_ok(self, request: str) -> None:
        reply = self._ask(request)
        if not reply.startswith('OK'):
            raise NutError('upsd answers %.100r to %s'
                           % (reply, request.split()[0]))

    def _ask(self, request: str) -> str:
        deadline = time.monotonic() + _PATIENCE
        self._sock.settimeout(_PATIENCE)
        self._sock.sendall(request.encode() + b'\n')
        while b'\n' not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NutError('upsd does not answer within %d seconds'
                               % _PATIENCE)
            self._sock.settimeout(left)
            data = self._sock.recv(_MAX_LINE)
            if not data:
                raise NutError('upsd closed the connection')
            self._buffer += data
            if len(self._buffer) > _MAX_LINE:
                raise NutError('upsd sends more than a line')
        line, self._buffer = self._buffer.split(b'\n', 1)
        reply = line.decode('ascii', 'replace')
        if reply.startswith('ERR'):
            raise _Refused(request.split()[0], reply)
        return reply


class _Refused(NutError):
    """upsd answers with ERR.

    :ivar reply: upsd's line, printable, of 100 characters at most
    """

    def __init__(self, request: str, reply: str) -> None:
        self.reply = ascii(reply[:100])[1:-1]
        super().__init__('upsd answers %s to %s' % (self.reply, request))
