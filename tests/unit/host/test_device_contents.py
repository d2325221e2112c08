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
"""What a sample of a block device notices; files stand for devices."""

import mmap
import os
import struct

import pytest

from nova_temporality.host import device_contents

KIB = 1 << 10
MIB = 1 << 20
SIZE = 64 * MIB


@pytest.fixture
def device(tmp_path):
    path = tmp_path / 'device'
    with open(path, 'wb') as made:
        made.truncate(SIZE)
    return path


def write(device, offset, data):
    with open(device, 'r+b') as opened:
        opened.seek(offset)
        opened.write(data)


def digest(device, size=SIZE):
    fd = os.open(device, os.O_RDONLY)
    try:
        return device_contents.digest(fd, size)
    finally:
        os.close(fd)


def notices(device, offset):
    before = digest(device)
    assert digest(device) == before
    write(device, offset, b'x')
    return digest(device) != before


def mbr(*sectors, kind=0x83):
    table = bytearray(512)
    for number, sector in enumerate(sectors):
        struct.pack_into('<BxxxBxxxI', table, 446 + 16 * number, 0, kind,
                         sector)
    table[510:] = b'\x55\xaa'
    return bytes(table)


def gpt(*sectors, number=128, length=128):
    header = bytearray(512)
    header[:8] = b'EFI PART'
    struct.pack_into('<QII', header, 72, 2, number, length)
    entries = bytearray(128 * 128)
    for one, sector in enumerate(sectors):
        struct.pack_into('<Q', entries, one * 128 + 32, sector)
    return mbr(1, kind=0xee) + bytes(header) + bytes(entries)


@pytest.mark.parametrize('offset', [
    0,              # boot sector, LUKS, qcow2
    510, 1080,      # ext4: times and counts
    64 * KIB + 99,  # btrfs
    SIZE - 1])      # the other GPT
def test_beginning_and_end(device, offset):
    assert notices(device, offset)


@pytest.mark.parametrize('table', [mbr(2048, 40960), gpt(2048, 40960)])
@pytest.mark.parametrize('offset', [1080, 64 * KIB + 99])
def test_partitions(device, table, offset):
    """A file system that was checked, or mounted, elsewhere."""
    write(device, 0, table)
    assert notices(device, 40960 * 512 + offset)


def test_partition_that_is_not_aligned(device):
    write(device, 0, mbr(63))
    assert notices(device, 63 * 512 + 64 * KIB + 99)


def test_another_disk_in_its_place(device):
    """Whose beginning is the same: from the same image."""
    before = digest(device)
    for offset in range(MIB, SIZE, 128 * KIB):
        write(device, offset, os.urandom(64 * KIB))
    assert digest(device) != before


def test_grown_one_is_the_same(device):
    write(device, 0, gpt(2048))
    before = digest(device)
    with open(device, 'r+b') as opened:
        opened.truncate(2 * SIZE)
    assert digest(device) == before


@pytest.mark.parametrize('table', [
    mbr(0xffffffff, 0), gpt(2 ** 63, 2 ** 64 - 1),
    gpt(2048, number=2 ** 32 - 1), gpt(2048, length=2 ** 32 - 1),
    gpt(2048, length=0), gpt(*range(2048, 2176))])
def test_table_of_a_guest_that_lies(device, table):
    write(device, 0, table)
    reads = []
    preadv = os.preadv

    def counted(fd, rooms, offset):
        reads.append(offset)
        return preadv(fd, rooms, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'preadv', counted)
        digest(device)
    assert len(reads) < 100
    assert max(reads) < SIZE


@pytest.mark.parametrize('size', [512, 4096, 100 * KIB + 512])
def test_small_ones(tmp_path, size):
    path = tmp_path / 'small'
    path.write_bytes(bytes(size))
    before = digest(path, size)
    write(path, size - 1, b'x')
    assert digest(path, size) != before


def test_read_past_the_page_cache(tmp_path):
    """The same by aligned reads, which are all that O_DIRECT takes."""
    path = tmp_path / 'disk'
    path.write_bytes(gpt(63) + os.urandom(MIB))
    size = os.path.getsize(path)
    size -= size % 512
    preadv = os.preadv

    def aligned(fd, rooms, offset):
        assert offset % 512 == 0
        assert all(isinstance(room, mmap.mmap) and len(room) % 4096 == 0
                   for room in rooms)
        return preadv(fd, rooms, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'preadv', aligned)
        digest(path, size)
