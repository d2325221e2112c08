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

"""/dev/pod, the kernel driver of the power outage detector.

Its interface is described in pod/pod.h; names and numbers are those of that
header. The engine reads its events (native/program/pod_driver.c).
"""

import fcntl
import os
import struct
from typing import NamedTuple

PATH = '/dev/pod'

ABI = 1
WRITES_BACK = 1


class Info(NamedTuple):
    """What the driver is and can do: struct pod_info."""

    abi: int
    inputs: int
    features: int
    hold_up_ms: int
    park_ms: int
    reserved: int


INFO = struct.Struct('=6I')
WRITE_BACK_RESULT = struct.Struct('=QII')


def _ior(number: int, layout: struct.Struct) -> int:
    """Return _IOR of <asm-generic/ioctl.h>."""
    return 2 << 30 | layout.size << 16 | 0xD9 << 8 | number


GET_INFO = _ior(0, INFO)
WRITE_BACK = _ior(2, WRITE_BACK_RESULT)


class PodError(Exception):
    """The driver is missing, or does not do what is requested.

    :ivar errno: of the system call that failed, or None
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class PodDevice:
    """The opened device; the driver stays loaded as long as it is.

    All methods raise PodError.
    """

    def __init__(self, path: str) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise PodError('%s cannot be opened: %s; is the driver loaded '
                           '(modprobe pod)?' % (path, e.strerror))
        try:
            self._check_abi()
        except PodError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._fd

    def close(self) -> None:
        """Close it."""
        # A thread that still uses it must not reach another file.
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _check_abi(self) -> None:
        abi = self.info().abi
        if abi != ABI:
            raise PodError('the driver has ABI %d instead of %d; install the '
                           'driver of this version' % (abi, ABI))

    def info(self) -> Info:
        """Ask the driver what it is and can do."""
        answer = bytearray(INFO.size)
        self._ioctl(GET_INFO, answer, 'say what it is')
        return Info._make(INFO.unpack(answer))

    def write_back(self) -> None:
        """Write the caches of all CPUs back to memory.

        What was stored before the call is in memory after it.
        """
        self._ioctl(WRITE_BACK, bytearray(WRITE_BACK_RESULT.size),
                    'write the CPU caches back')

    def _ioctl(self, request: int, argument: bytes | bytearray,
               what: str) -> None:
        try:
            fcntl.ioctl(self._fd, request, argument)
        except OSError as e:
            raise PodError('the POD driver cannot %s: %s'
                           % (what, e.strerror), e.errno) from e
