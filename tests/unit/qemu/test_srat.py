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

"""The table that tells a guest of its NUMA cells."""

import struct

import pytest

from nova_temporality.qemu import srat

GIB = 1 << 30


def cells(*parts, sockets=None, cores=1, threads=1):
    """Of pairs of CPUs and bytes."""
    return srat.Cells(
        tuple(srat.Cell(frozenset(cpus), memory) for cpus, memory in parts),
        sockets or sum(len(cpus) for cpus, _memory in parts), cores, threads)


def entries(table):
    """The type and the content of each structure in a table."""
    found, rest = [], table[48:]
    while rest:
        found.append((rest[0], rest[2:rest[1]]))
        rest = rest[rest[1]:]
    return found


def memory(table):
    """Node, address and length of each range."""
    return [struct.unpack_from('<I2xQQ', content)
            for kind, content in entries(table) if kind == 1]


def cpus(table):
    """Node and APIC ID of each CPU with a small one."""
    return [(content[0], content[1]) for kind, content in entries(table)
            if kind == 0]


class TestSrat:

    def test_header(self):
        table = srat.table(cells(({0}, GIB), ({1}, GIB)))
        assert table[:4] == b'SRAT'
        assert int.from_bytes(table[4:8], 'little') == len(table)
        assert sum(table) & 0xff == 0

    def test_all_are_enabled(self):
        table = srat.table(cells(({0}, GIB), ({1}, GIB)))
        for kind, content in entries(table):
            at = {0: 2, 1: 26}[kind]
            assert int.from_bytes(content[at:at + 4], 'little') == 1

    def test_cells_of_different_size(self):
        table = srat.table(cells(({0, 3}, 3 << 20), ({1}, 1 << 20),
                                 ({2}, 4 << 20)))
        assert memory(table) == [(0, 0, 3 << 20), (1, 3 << 20, 1 << 20),
                                 (2, 4 << 20, 4 << 20)]
        assert cpus(table) == [(0, 0), (0, 3), (1, 1), (2, 2)]

    @pytest.mark.parametrize('first, second, expected', [
        (1, 1, [(0, 0, 1), (1, 1, 1)]),
        (2, 2, [(0, 0, 2), (1, 4, 2)]),
        (3, 3, [(0, 0, 2), (0, 4, 1), (1, 5, 3)]),
        (1, 3, [(0, 0, 1), (1, 1, 1), (1, 4, 2)])])
    def test_memory_above_4_gib(self, first, second, expected):
        table = srat.table(cells(({0}, first * GIB), ({1}, second * GIB)))
        assert memory(table) == [(node, base * GIB, size * GIB)
                                 for node, base, size in expected]

    def test_apic_ids_have_whole_bits_for_each_level(self):
        table = srat.table(cells((range(6), GIB), (range(6, 12), GIB),
                                 sockets=2, cores=3, threads=2))
        assert cpus(table) == (
            [(0, number) for number in range(6)] +
            [(1, 8 + number) for number in range(6)])

    def test_many_cpus(self):
        table = srat.table(cells((range(255), GIB), ({255, 256}, GIB)))
        assert cpus(table)[-1] == (0, 254)
        assert [struct.unpack_from('<2xIII', content)
                for kind, content in entries(table) if kind == 2] == [
                    (1, 255, 1), (1, 256, 1)]
