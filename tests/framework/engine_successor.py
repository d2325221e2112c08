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

"""The engine's next process, played by a test."""

import contextlib
import os
import socket
import struct

from nova_temporality.native import _vpm

ffi = _vpm.ffi
lib = _vpm.lib

# handover.c
REST, TAKEN, GO = 2, 3, 4


class Successor:
    """A process that takes over, played by the test."""

    def __init__(self, process):
        self._client = process.connect()
        self._fds = []

    def ask(self):
        """Ask for all; return when the old one has nothing armed any more."""
        assert self._client.ask(lib.VPM_REQUEST_HAND_OVER).code == 0
        kind = None
        while kind != REST:
            data, fds, _flags, _address = socket.recv_fds(
                self._client.socket, 65536, 16)
            self._fds += fds
            kind = struct.unpack_from('<I', data)[0]

    def take(self):
        """Say that all is taken, and wait for the word."""
        self.say(TAKEN)
        assert self._client.socket.recv(100) == struct.pack('<I', GO)

    def say(self, word):
        """Say a word of the protocol, or another one."""
        self._client.socket.send(struct.pack('<I', word))

    def signals(self):
        """Return the next request that is passed on."""
        data = self._client.socket.recv(65536)
        request = ffi.new('struct vpm_request *')
        ffi.buffer(request)[:] = data
        assert request.kind == lib.VPM_REQUEST_SIGNAL
        return request.number, request.pid

    def close(self):
        self._client.socket.close()
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        self._fds.clear()
