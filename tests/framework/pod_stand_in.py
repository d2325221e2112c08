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

"""A stand-in for /dev/pod: a FIFO, and a log of what the driver is told.

Reading is real; only ioctl(2) is not. device_stand_in.c answers that in the
engine. As a program it is the notifier with such a device::

    pod_stand_in.py <directory> --config-file ...
"""

import contextlib
import functools
import json
import os
import pathlib
import struct
import sys
import tempfile
import time
from typing import NamedTuple

from nova_temporality.notifier.sources import pod_device
from tests.framework import native_build

# What pod/pod.h has beside pod_device.
SIGNAL = 44
LOST, GOOD, WARN, COMMIT = range(4)
ORIGIN_LINE, ORIGIN_NMI, ORIGIN_TEST = range(1, 4)
EVENT_STATE = 1
INPUT_LINES, INPUT_NMI, INPUT_TEST = 1, 2, 4
EVENT = struct.Struct('=QqqIIII')
REGISTRATION = struct.Struct('=II')
SEQUENCE = struct.Struct('=Q')
REGISTER = 1 << 30 | REGISTRATION.size << 16 | 0xD9 << 8 | 1
ACKNOWLEDGE = 1 << 30 | SEQUENCE.size << 16 | 0xD9 << 8 | 3


class Event(NamedTuple):
    """One event of the driver: struct pod_event."""

    sequence: int
    monotonic_ns: int
    realtime_ns: int
    level: int
    origin: int
    flags: int
    missed: int


@functools.lru_cache(maxsize=None)
def _library():
    """Build what answers in the engine; return its directory and path."""
    directory = tempfile.TemporaryDirectory(prefix='device-stand-in-')
    path = os.path.join(directory.name, 'device_stand_in.so')
    native_build.run([
        'cc', *native_build.FLAGS, '-shared', '-fPIC',
        pathlib.Path(__file__).with_name('device_stand_in.c'), '-o', path])
    return directory, path


def environment(directory):
    """Return what an engine needs to see the stand-in of a directory."""
    return {'LD_PRELOAD': _library()[1], 'DEVICE_STAND_IN': str(directory)}


@contextlib.contextmanager
def seen(stand_in, directory, monkeypatch):
    """The context in which engines that are started see a stand-in."""
    for name, value in environment(directory).items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(stand_in):
        yield stand_in


class StandIn:
    """The driver's side.

    :ivar info: what it says about itself
    :ivar errors: dict of errno by the name of an ioctl
    """

    def __init__(self, directory, features=pod_device.WRITES_BACK,
                 inputs=INPUT_LINES):
        self.path = str(pathlib.Path(directory, 'pod'))
        self._log = pathlib.Path(directory, 'pod.log')
        self._info = pathlib.Path(directory, 'pod.info')
        self.info = pod_device.Info(pod_device.ABI, inputs, features, 10, 0, 0)
        self.errors = {}
        self._sequence = 0
        if not os.path.exists(self.path):
            os.mkfifo(self.path)
        # A FIFO without a writer would be at its end.
        self._fd = os.open(self.path, os.O_RDWR)

    @property
    def info(self):
        return pod_device.Info._make(
            pod_device.INFO.unpack(self._info.read_bytes()))

    @info.setter
    def info(self, info):
        self._info.write_bytes(pod_device.INFO.pack(*info))

    def close(self):
        os.close(self._fd)

    def tell(self, level, origin=ORIGIN_LINE, **fields):
        """Make an event; return it."""
        self._sequence += 1
        event = Event(
            self._sequence, time.monotonic_ns(), time.time_ns(), level, origin,
            0, 0)._replace(**fields)
        os.write(self._fd, EVENT.pack(*event))
        return event

    def told(self):
        """Return names and arguments of the ioctls so far."""
        try:
            lines = self._log.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [tuple(json.loads(line)) for line in lines]

    def ioctl(self, _fd, request, argument):
        """Stands for fcntl.ioctl() of the notifier."""
        if request == pod_device.GET_INFO:
            argument[:] = pod_device.INFO.pack(*self.info)
            return
        assert request == pod_device.WRITE_BACK
        if 'write back' in self.errors:
            number = self.errors['write back']
            raise OSError(number, os.strerror(number))
        with open(self._log, 'a') as f:
            f.write(json.dumps(['write back']) + '\n')


def main():
    """Run the notifier."""
    from nova_temporality.cmd import notifier
    stand_in = StandIn(sys.argv.pop(1))
    pod_device.PATH = stand_in.path
    pod_device.fcntl.ioctl = stand_in.ioctl
    return notifier.main()


if __name__ == '__main__':
    sys.exit(main())
