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

"""Which pages of a QEMU's memory were written since it was asked last.

QEMU has had that noted (native/preload/writes.h). Linux is asked, not QEMU:
what is said here is true of all that goes through QEMU's page table. It is not
told of what a device writes into a page that it was given before the question,
as for a read of a disk with O_DIRECT: who asks looks again later.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import struct

# linux/fs.h: PAGEMAP_SCAN, struct pm_scan_arg, struct page_region
_PAGEMAP_SCAN = 0xc0606610
_SCAN_ARG = struct.Struct('=12Q')
_REGION = struct.Struct('=3Q')
_WP_MATCHING = 1 << 0
_CHECK_WPASYNC = 1 << 1
_PAGE_IS_WRITTEN = 1 << 1
# Ranges that are taken at once.
_RANGES = 4096


class Unseen(Exception):
    """Nobody can tell which pages are written; str() says why."""


class WrittenPages:
    """The pages of one file that one process has written.

    :param pid: of the process
    :param path: of the file, which it has mapped once, as a whole
    :raises Unseen: it has not, or its writes are not noted
    """

    def __init__(self, pid: int, path: str) -> None:
        self._fds: list[int] = []
        self._path = path
        self._found = ctypes.create_string_buffer(_REGION.size * _RANGES)
        try:
            # What is opened below it belongs to the same process.
            process = self._open('/proc/%d' % pid, os.O_DIRECTORY)
            self._pagemap = self._open('pagemap', dir_fd=process)
            self._maps = self._open('maps', dir_fd=process)
            self._size = -(-os.stat(path).st_size //
                           mmap.PAGESIZE) * mmap.PAGESIZE
            self._start = self._where()
            # Only asks whether writes are noted.
            self._scan(self._start, 0)
        except OSError as e:
            self.close()
            raise Unseen(_why(e))
        except Unseen:
            self.close()
            raise

    def close(self) -> None:
        """Ask no more."""
        while self._fds:
            os.close(self._fds.pop())

    def take(self) -> list[tuple[int, int]]:
        """Return ranges of the file that were written since the last time.

        The first time all of it was. In bytes: from, and up to.

        :raises Unseen: nobody can tell any more
        """
        taken: list[tuple[int, int]] = []
        at, end = self._start, self._start + self._size
        try:
            while at < end:
                ranges, at = self._scan(at, _WP_MATCHING)
                taken += [(first - self._start, last - self._start)
                          for first, last in ranges]
            # It may have ended, or have mapped it anew, meanwhile.
            if self._where() != self._start:
                raise Unseen('its QEMU has mapped its memory elsewhere')
        except OSError as e:
            raise Unseen(_why(e))
        return taken

    def _open(self, path: str, flags: int = 0,
              dir_fd: int | None = None) -> int:
        self._fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags,
                                 dir_fd=dir_fd))
        return self._fds[-1]

    def _scan(self, start: int, flags: int
              ) -> tuple[list[tuple[int, int]], int]:
        argument = bytearray(_SCAN_ARG.pack(
            _SCAN_ARG.size, flags | _CHECK_WPASYNC, start,
            self._start + self._size, 0, ctypes.addressof(self._found),
            _RANGES, 0, 0, _PAGE_IS_WRITTEN, 0, _PAGE_IS_WRITTEN))
        count = fcntl.ioctl(self._pagemap, _PAGEMAP_SCAN, argument)
        return ([_REGION.unpack_from(self._found, _REGION.size * number)[:2]
                 for number in range(count)], _SCAN_ARG.unpack(argument)[4])

    def _where(self) -> int:
        """Return the address at which the file is mapped, all of it, once."""
        os.lseek(self._maps, 0, os.SEEK_SET)
        text = b''
        while some := os.read(self._maps, 1 << 16):
            text += some
        file = os.stat(self._path)
        device = b'%02x:%02x' % (os.major(file.st_dev), os.minor(file.st_dev))
        parts = []
        for line in text.splitlines():
            words = line.split(None, 5)
            if words[3:5] == [device, b'%d' % file.st_ino]:
                first, last = (int(one, 16) for one in words[0].split(b'-'))
                parts.append((int(words[2], 16), first, last))
        parts.sort()
        if not parts:
            raise Unseen('its QEMU has ended, or has not mapped its memory')
        # Advice, for example, splits a mapping.
        start = at = parts[0][1]
        for offset, first, last in parts:
            if (offset, first) != (at - start, at):
                raise Unseen('its QEMU has mapped its memory more than once')
            at = last
        if at - start != self._size:
            raise Unseen('its QEMU has mapped a part of its memory')
        return start


def _why(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return ('its writes are not noted, since its QEMU was not told to '
                'have that done when it was started')
    if error.errno == errno.ENOTTY:
        return 'its kernel does not say it; use Linux 6.7 or later'
    if error.errno in (errno.ENOENT, errno.ESRCH):
        return 'its QEMU has ended'
    return os.strerror(error.errno or errno.EIO)
