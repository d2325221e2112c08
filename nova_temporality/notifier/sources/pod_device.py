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
header.
"""

import errno
import fcntl
import os
import struct
from typing import NamedTuple
from typing import Self

PATH = '/dev/pod'

ABI = 1
SIGNAL = 44

LOST, GOOD, WARN, COMMIT = range(4)
ORIGIN_LINE, ORIGIN_NMI, ORIGIN_TEST = range(1, 4)
EVENT_STATE = 1
INPUT_LINES, INPUT_NMI, INPUT_TEST = 1, 2, 4
WRITES_BACK = 1


class Event(NamedTuple):
    """One event of the driver: struct pod_event."""

    sequence: int
    monotonic_ns: int
    realtime_ns: int
    level: int
    origin: int
    flags: int
    missed: int


class Info(NamedTuple):
    """What the driver is and can do: struct pod_info."""

    abi: int
    inputs: int
    features: int
    hold_up_ms: int
    park_ms: int
    reserved: int


EVENT = struct.Struct('=QqqIIII')
INFO = struct.Struct('=6I')
REGISTRATION = struct.Struct('=II')
WRITE_BACK_RESULT = struct.Struct('=QII')
SEQUENCE = struct.Struct('=Q')

# Events that are read at once, at most.
_BATCH = 16


def _ioc(to_driver: bool, number: int, layout: struct.Struct) -> int:
    """Return _IOW or _IOR of <asm-generic/ioctl.h>."""
    return (1 if to_driver else 2) << 30 | layout.size << 16 | 0xD9 << 8 | (
        number)


GET_INFO = _ioc(False, 0, INFO)
REGISTER = _ioc(True, 1, REGISTRATION)
WRITE_BACK = _ioc(False, 2, WRITE_BACK_RESULT)
ACKNOWLEDGE = _ioc(True, 3, SEQUENCE)


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._fd

    def close(self) -> None:
        """Close it; this process is no longer the driver's notifier."""
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

    def register(self, number: int) -> None:
        """Become the notifier.

        :param number: SIGNAL if the driver shall send it, or 0
        """
        try:
            self._ioctl(REGISTER, REGISTRATION.pack(ABI, number),
                        'register the notifier')
        except PodError as e:
            if e.errno == errno.EBUSY:
                raise PodError('another process is the notifier of the '
                               'driver; /sys/class/misc/pod/notifier has its '
                               'id', e.errno) from e
            raise

    def read(self) -> list[Event]:
        """Wait for events."""
        try:
            data = os.read(self._fd, EVENT.size * _BATCH)
        except OSError as e:
            raise PodError('no events can be read: %s' % e.strerror,
                           e.errno) from e
        if not data or len(data) % EVENT.size:
            raise PodError('%d bytes are not events' % len(data))
        return [Event._make(fields) for fields in EVENT.iter_unpack(data)]

    def write_back(self) -> None:
        """Write the caches of all CPUs back to memory.

        What was stored before the call is in memory after it.
        """
        self._ioctl(WRITE_BACK, bytearray(WRITE_BACK_RESULT.size),
                    'write the CPU caches back')

    def acknowledge(self, sequence: int) -> None:
        """Tell the driver that all is saved; twice is not an error.

        :param sequence: of the latest event of level COMMIT
        """
        try:
            self._ioctl(ACKNOWLEDGE, SEQUENCE.pack(sequence),
                        'take the acknowledgement')
        except PodError as e:
            if e.errno != errno.EALREADY:
                raise

    def _ioctl(self, request: int, argument: bytes | bytearray,
               what: str) -> None:
        try:
            fcntl.ioctl(self._fd, request, argument)
        except OSError as e:
            raise PodError('the POD driver cannot %s: %s'
                           % (what, e.strerror), e.errno) from e
