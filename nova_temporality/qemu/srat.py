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

"""The NUMA cells that a guest sees, as a table of its firmware (ACPI's SRAT).

A pVM's memory is one block of QEMU's, whatever cells the guest sees in it.
So QEMU is told nothing of cells: it is given the table that it would make of
them (docs: "-acpitable" in QEMU's invocation manual). Guests that are not told
of distances take near and far.
"""

from __future__ import annotations

from collections import abc
import dataclasses
import struct

from oslo_utils import units

# What does not fit below this address lies above 4 GiB. Left to itself, QEMU
# chooses by the type of machine and the size of memory.
_BELOW = 2 * units.Gi
_ABOVE = 4 * units.Gi

# Bytes. With more, QEMU moves memory away from what AMD's processors have
# below 1 TiB.
LARGEST_MEMORY = 960 * units.Gi

_HEADER = struct.Struct('<4sIBB6s8sI4sIIQ')
_PROCESSOR = struct.Struct('<BBBBIB3sI')
_X2APIC = struct.Struct('<BBHIIIII')
_MEMORY = struct.Struct('<BBIHQQIIQ')
_CHECKSUM_AT = 9

_ENABLED = 1
# A processor affinity structure has a byte for it, of which one value means
# all of them.
_LARGEST_APIC_ID = 254


@dataclasses.dataclass(frozen=True)
class Cell:
    """A NUMA cell of a guest.

    :ivar cpus: numbers of its vCPUs
    :ivar memory: bytes
    """

    cpus: frozenset[int]
    memory: int


@dataclasses.dataclass(frozen=True)
class Cells:
    """All NUMA cells of a guest, and how its vCPUs are numbered.

    :ivar cells: in the order of their memory
    :ivar sockets: that its vCPUs are in
    :ivar cores: of each socket
    :ivar threads: of each core
    """

    cells: tuple[Cell, ...]
    sockets: int
    cores: int
    threads: int


def arguments(path: str) -> list[str]:
    """What QEMU is told of a table.

    :param path: of its file, commas doubled
    """
    return ['-acpitable', 'file=%s' % path,
            '-machine', 'max-ram-below-4g=%d' % _BELOW]


def table(cells: Cells) -> bytes:
    """The table of a guest's NUMA cells."""
    entries = [_cpu(node, _apic_id(cells, number))
               for node, cell in enumerate(cells.cells)
               for number in sorted(cell.cpus)]
    begin = 0
    for node, cell in enumerate(cells.cells):
        entries += [_MEMORY.pack(1, _MEMORY.size, node, 0, base, length, 0,
                                 _ENABLED, 0)
                    for base, length in pieces(begin, cell.memory)]
        begin += cell.memory
    body = b''.join(entries)
    content = bytearray(_HEADER.pack(
        b'SRAT', _HEADER.size + len(body), 3, 0, b'TEMPOR', b'CELLS   ', 1,
        b'TEMP', 1, 1, 0) + body)
    content[_CHECKSUM_AT] = -sum(content) & 0xff
    return bytes(content)


def pieces(begin: int, length: int) -> abc.Iterator[tuple[int, int]]:
    """Where the guest has a part of its memory.

    :param begin: bytes from the beginning of its memory
    :param length: bytes
    :returns: pairs of an address and a length, in bytes
    """
    below = max(0, min(length, _BELOW - begin))
    if below:
        yield begin, below
    if length > below:
        yield begin + below - _BELOW + _ABOVE, length - below


def _apic_id(cells: Cells, number: int) -> int:
    """The ID that QEMU gives a vCPU: each field has whole bits."""
    thread, core, socket = (
        number % cells.threads, number // cells.threads % cells.cores,
        number // cells.threads // cells.cores)
    thread_bits = (cells.threads - 1).bit_length()
    core_bits = (cells.cores - 1).bit_length()
    return (socket << core_bits | core) << thread_bits | thread


def _cpu(node: int, apic_id: int) -> bytes:
    if apic_id <= _LARGEST_APIC_ID:
        return _PROCESSOR.pack(0, _PROCESSOR.size, node & 0xff, apic_id,
                               _ENABLED, 0, node.to_bytes(4, 'little')[1:], 0)
    return _X2APIC.pack(2, _X2APIC.size, 0, node, apic_id, _ENABLED, 0, 0)
