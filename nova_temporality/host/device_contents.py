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
"""A sample of what a disk without times holds, the same size for every disk.

A device has no time of modification. What changes when somebody else writes to
it is mostly near a beginning: file systems, LVM, LUKS and qcow2 have there
what they count, when they were mounted, checked or changed. So the sample is
the beginnings of the device and of its partitions, and some blocks from all
over it, for another disk in its place. It is read past the page cache, which
does not know what another host has written.
"""

from __future__ import annotations

from collections import abc
import functools
import hashlib
import mmap
import os
import struct

# Bytes that are read at once, and to which O_DIRECT is aligned everywhere.
_BLOCK = 4096

# Of a beginning: btrfs has its superblock at 64 KiB.
_BEGINNING = 17 * _BLOCK

# All over the device.
_SPREAD = 64

_MAX_PARTITIONS = 16

# What partition tables count in, as QEMU shows disks to guests.
_SECTOR = 512


def digest(fd: int, size: int) -> str:
    """The digest of a device's sample.

    :param fd: of a device, opened with O_DIRECT
    :param size: bytes of it that count
    :raises OSError: it cannot be read
    """
    return sample(functools.partial(_read, fd), size)


def sample(read: abc.Callable[[int, int], bytes], size: int) -> str:
    """The digest of a sample; takes some hundred reads at most.

    :param read: returns what a disk holds from an offset on, of a length;
                 less at its end
    :param size: bytes of it that count
    """
    beginning = read(0, min(_BEGINNING, size))
    found = hashlib.sha256(beginning)
    for start in _partitions(beginning, size):
        found.update(read(start - start % _BLOCK,
                          min(_BEGINNING + _BLOCK, size - start)))
    step = size // _SPREAD
    for number in range(1, _SPREAD):
        offset = number * step
        found.update(read(offset - offset % _BLOCK, _BLOCK))
    found.update(read(max(0, size - size % _SECTOR - _BLOCK), _BLOCK))
    return found.hexdigest()


def _read(fd: int, offset: int, length: int) -> bytes:
    with mmap.mmap(-1, -(-length // _BLOCK) * _BLOCK) as room:
        return room[:os.preadv(fd, [room], offset)][:length]


def _partitions(beginning: bytes, size: int) -> list[int]:
    """Offsets in bytes at which partitions begin; the table is not trusted."""
    if beginning[510:512] != b'\x55\xaa':
        return []
    sectors = list(_of_gpt(beginning)) or list(_of_mbr(beginning))
    return [sector * _SECTOR for sector in sectors
            if 0 < sector * _SECTOR < size][:_MAX_PARTITIONS]


def _of_mbr(beginning: bytes) -> abc.Iterator[int]:
    for offset in range(446, 510, 16):
        yield struct.unpack_from('<I', beginning, offset + 8)[0]


def _of_gpt(beginning: bytes) -> abc.Iterator[int]:
    if beginning[_SECTOR:_SECTOR + 8] != b'EFI PART':
        return
    first, number, length = struct.unpack_from('<QII', beginning,
                                               _SECTOR + 72)
    for entry in range(min(number, 128)):
        offset = first * _SECTOR + entry * length
        if length < 128 or offset + length > len(beginning):
            return
        yield struct.unpack_from('<Q', beginning, offset + 32)[0]
