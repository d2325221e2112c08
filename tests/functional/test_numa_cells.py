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

"""NUMA cells that a guest sees in the one block of memory that it has."""

import itertools
import struct

import pytest

from nova_temporality.qemu import qmp
from nova_temporality.qemu import srat
from tests.framework import machine

MIB = 1 << 20
CELLS = srat.Cells((srat.Cell(frozenset({0}), 24 * MIB),
                    srat.Cell(frozenset({1}), 8 * MIB)), 2, 1, 1)
PATTERN = b'what the guest has in a cell'
# In each of the cells, where neither the guest nor its BIOS has anything.
PLACES = 16 * MIB, 26 * MIB


@pytest.fixture
def arguments(tmp_path):
    """Of a QEMU whose guest has two cells."""
    path = tmp_path / 'cells'
    path.write_bytes(srat.table(CELLS))
    return ['-smp', '2', *srat.arguments(str(path))]


def seen(guest):
    """The tables of cells that the firmware has given to the guest."""
    segment = guest.peek(0xe0000, 0x20000)
    rsdt, = struct.unpack_from('<I', segment, segment.index(b'RSD PTR ') + 16)
    length, = struct.unpack('<I', guest.peek(rsdt + 4, 4))
    tables = struct.unpack('<%dI' % ((length - 36) // 4),
                           guest.peek(rsdt + 36, length - 36))
    return [guest.peek(table, len(srat.table(CELLS))) for table in tables
            if guest.peek(table, 4) == b'SRAT']


def has(guest, place):
    """Whether the guest, as QEMU runs it, has the pattern there."""
    with guest.monitor() as monitor:
        text = monitor.command('human-monitor-command', {
            'command-line': 'xp /%dxb 0x%x' % (len(PATTERN), place)})
    words = itertools.chain.from_iterable(
        line.split(':')[1].split() for line in text.splitlines())
    return bytes(int(word, 16) for word in words) == PATTERN


def test_before_and_after_a_power_cut(host, accel, arguments):
    guest = host.guest(accel)
    guest.boot(*arguments)
    assert seen(guest) == [srat.table(CELLS)]
    for place in PLACES:
        guest.poke(place, PATTERN)
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()

    guest.recover(*arguments)

    guest.wait_counting()
    assert guest.boots() == 1
    assert seen(guest) == [srat.table(CELLS)]
    assert all(has(guest, place) for place in PLACES)


@pytest.mark.parametrize('kind', ['pc', 'q35'])
def test_memory_is_where_the_table_says(tmp_path, spawn, arguments, kind):
    size = 4 << 30
    ram, path = tmp_path / 'ram', str(tmp_path / 'qmp')
    offsets = [0x1000, (2 << 30) - 4096, 2 << 30, size - 4096]
    with open(ram, 'wb') as stream:
        stream.truncate(size)
        for offset in offsets:
            stream.seek(offset)
            stream.write(struct.pack('<I', 1 + offset // 4096))
    spawn(['qemu-system-x86_64', '-nodefaults', '-display', 'none', '-S',
           '-accel', 'tcg', '-m', '4G',
           '-machine', kind + ',memory-backend=nvram', '-object',
           'memory-backend-file,id=nvram,share=on,mem-path=%s,size=%d' % (
               ram, size),
           '-qmp', 'unix:%s,server=on,wait=off' % path, *arguments])
    monitor = machine.wait_for(lambda: connected(path), 'QEMU')
    for offset in offsets:
        [(address, _length)] = srat.pieces(offset, 4096)
        text = monitor.command('human-monitor-command', {
            'command-line': 'xp /1xw 0x%x' % address})
        assert int(text.split(':')[1], 16) == 1 + offset // 4096
    monitor.close()


def connected(path):
    try:
        return qmp.QmpClient(path, machine.PATIENCE)
    except qmp.QmpError:
        return None
