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

"""A stand-in for a GPIO chip with one line that somebody asks for.

Edges are read from a FIFO; device_stand_in.c answers ioctl(2) in the engine.
"""

import contextlib
import fcntl
import os
import pathlib
import struct
import time

from tests.framework import machine

# What linux/gpio.h has.
EVENT = struct.Struct('=Q10I')
RISING, FALLING = 1, 2
ACTIVE_LOW, INPUT, EDGE_RISING, EDGE_FALLING = 1 << 1, 1 << 2, 1 << 4, 1 << 5
DEBOUNCE = 3
LINES, ATTRIBUTES = 64, 10
REQUEST = struct.Struct('=%dI32sQI20x%sII20xi' % (
    LINES, 'I4xQQ' * ATTRIBUTES))


class Chip:
    """The kernel's side.

    :ivar path: of the chip
    """

    def __init__(self, directory):
        self.path = str(pathlib.Path(directory, 'gpiochip0'))
        self._edges = pathlib.Path(directory, 'gpio.edges')
        self._level = pathlib.Path(directory, 'gpio.level')
        self._bus = pathlib.Path(directory, 'gpio.bus')
        self._edge = pathlib.Path(directory, 'gpio.edge')
        self._lock = pathlib.Path(directory, 'gpio.lock')
        self._request = pathlib.Path(directory, 'gpio.request')
        self._fd = -1
        self.plug()

    def plug(self):
        """Have the chip, and the line high."""
        os.mkfifo(self._edges)
        # A FIFO without a writer would be at its end.
        self._fd = os.open(self._edges, os.O_RDWR)
        self.drift(True)
        pathlib.Path(self.path).touch()

    def unplug(self, tells=True):
        """Take the chip away.

        :param tells: whether who reads edges is told; earlier kernels do not
        """
        for path in self.path, self._level, self._edges:
            os.unlink(path)
        if tells:
            self.close()

    def close(self):
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def drift(self, is_high):
        """Change the line's level, and lose the edge."""
        with open(self._lock, 'wb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._level.write_text('%d' % is_high)

    def drive(self, is_high, monotonic_ns=None):
        """Change the line's level; return the edge's CLOCK_MONOTONIC in ns."""
        with open(self._lock, 'wb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._level.write_text('%d' % is_high)
            if monotonic_ns is None:
                monotonic_ns = time.monotonic_ns()
            self.write(self._event(is_high, monotonic_ns))
        return monotonic_ns

    def drive_when_read(self, is_high):
        """Do the same at the moment when the line is read next."""
        with open(self._lock, 'wb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._level.write_text('%d' % is_high)
            made_ns = time.monotonic_ns()
            self._edge.write_bytes(self._event(is_high, made_ns))
        return made_ns

    def _event(self, is_high, monotonic_ns):
        asked = self.asked()
        is_active = is_high != bool(asked['flags'] & ACTIVE_LOW)
        return EVENT.pack(monotonic_ns, RISING if is_active else FALLING,
                          asked['line'], *[0] * 8)

    def hang(self):
        """Let who uses the chip wait; return when somebody does."""
        self._bus.touch()
        machine.wait_for(self._bus.read_bytes, 'the bus')

    def go_on(self):
        """End that."""
        self._bus.unlink()

    def take_line(self):
        """Use the line, as somebody else; raise BlockingIOError if in use."""
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def take_line_when_free(self):
        """Use it as soon as nobody else does."""
        def taken():
            with contextlib.suppress(BlockingIOError):
                self.take_line()
                return True
            return False
        machine.wait_for(taken, 'the line')

    def write(self, data):
        """Say what need not be an edge."""
        os.write(self._fd, data)

    def is_asked(self):
        """Whether somebody has asked for the line."""
        return (self._request.exists() and
                self._request.stat().st_size == REQUEST.size)

    def asked(self):
        """Return what was asked for."""
        said = REQUEST.unpack(self._request.read_bytes())
        flags, count = said[LINES + 1:LINES + 3]
        first = LINES + 3
        attributes = [said[i:i + 3] for i in range(
            first, first + 3 * count, 3)]
        return {'line': said[0], 'consumer': said[LINES].rstrip(b'\0'),
                'flags': flags, 'attributes': attributes,
                'lines': said[first + 3 * ATTRIBUTES]}
