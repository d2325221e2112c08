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

"""A client of the NBD server in a QEMU, that reads.

The protocol: doc/proto.md of https://github.com/NetworkBlockDevice/nbd. QEMU
is not trusted: what it says is bounded by what was asked for.
"""

import socket
import struct
import time
from typing import Self

_NO_ZEROES = 0x3  # and fixed newstyle, which implies it
_EXPORT_NAME = 1
_READ = 0
_REQUEST_MAGIC = 0x25609513
_REPLY_MAGIC = 0x67446698
_OPTION_MAGIC = b'IHAVEOPT'
_GREETING = b'NBDMAGIC' + _OPTION_MAGIC


class NbdError(Exception):
    """The export cannot be read; str() says why."""


class NbdTimeout(NbdError):
    """It does not answer in time; it may never."""


class NbdClient:
    """A connection to one export; a context manager that closes it.

    :ivar size: bytes of the export
    """

    def __init__(self, path: str, export: str, deadline: float) -> None:
        """Connect and negotiate.

        :param path: of a unix socket
        :param deadline: of time.monotonic(), for all that is asked
        :raises NbdError: there is no such export, or no answer
        """
        self._deadline = deadline
        self._handle = 0
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._set_timeout()
            self._sock.connect(path)
            if self._receive(len(_GREETING)) != _GREETING:
                raise NbdError('QEMU does not speak NBD')
            self._receive(2)
            name = export.encode()
            self._send(struct.pack('>I', _NO_ZEROES) + _OPTION_MAGIC +
                       struct.pack('>II', _EXPORT_NAME, len(name)) + name)
            self.size: int = struct.unpack('>QH', self._receive(10))[0]
        except TimeoutError:
            self._sock.close()
            raise NbdTimeout('no answer in time')
        except OSError as exc:
            self._sock.close()
            raise NbdError('no connection: %s' % exc)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._sock.close()

    def read(self, offset: int, length: int) -> bytes:
        """Read from an offset on; less at the end of the export.

        :raises NbdError: that is not possible, or takes too long
        """
        length = min(length, self.size - offset)
        if length <= 0:
            return b''
        self._handle += 1
        self._send(struct.pack('>IHHQQI', _REQUEST_MAGIC, 0, _READ,
                               self._handle, offset, length))
        magic, error, handle = struct.unpack('>IIQ', self._receive(16))
        if (magic, handle) != (_REPLY_MAGIC, self._handle):
            raise NbdError('an answer to another question')
        if error:
            raise NbdError('error %d at byte %d' % (error, offset))
        return self._receive(length)

    def _set_timeout(self) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise NbdTimeout('no answer in time')
        self._sock.settimeout(remaining)

    def _send(self, data: bytes) -> None:
        try:
            self._set_timeout()
            self._sock.sendall(data)
        except TimeoutError:
            raise NbdTimeout('no answer in time')
        except OSError as exc:
            raise NbdError('connection lost: %s' % exc)

    def _receive(self, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            try:
                self._set_timeout()
                data = self._sock.recv(length - len(found))
            except TimeoutError:
                raise NbdTimeout('no answer in time')
            except OSError as exc:
                raise NbdError('connection lost: %s' % exc)
            if not data:
                raise NbdError('QEMU closed the connection')
            found += data
        return bytes(found)
