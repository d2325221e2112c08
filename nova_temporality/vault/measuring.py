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

"""Measuring how fast the disk of a vault takes what a power failure writes.

The same code writes here as then: random memory of a file on tmpfs, to a spare
file whose room is reserved, in pieces, by several threads, with checksums.
What is there already is only compared; that is measured, too.
"""

import os
import tempfile
import time

from nova_temporality.host import vault_bandwidth
from nova_temporality.vault import data
from nova_temporality.vault import place

# Memory that is written again and again, at most how often, and for how many
# seconds: more than the cache of a disk takes, if it is that fast.
_MEMORY = 64 << 20
_MOST = 64
_SECONDS = 10.0
_COMPARING = 1.0
_VOLATILE = '/dev/shm'


def measure(vault: str) -> vault_bandwidth.Bandwidth:
    """Measure, and note it in the vault.

    :raises place.VaultError: it cannot be used, is in use, or has no room
    :raises OSError: its disk has failed
    """
    vault = os.path.realpath(vault)
    place.parameters(vault)
    spare = os.path.join(vault, 'spare')
    with tempfile.TemporaryDirectory(dir=_VOLATILE) as directory:
        with open(os.path.join(directory, 'memory'), 'wb') as memory:
            memory.write(os.urandom(_MEMORY))
        _reserve(vault, spare)
        try:
            mib_per_s = _write(vault, spare, directory)
            compared = _compare(spare, directory)
        finally:
            os.unlink(spare)
    return vault_bandwidth.note(vault, mib_per_s, compared)


def _reserve(vault: str, spare: str) -> None:
    """Reserve room, as that of servers is."""
    there = os.statvfs(vault)
    # All of a disk is not to be full meanwhile.
    times = min(_MOST, there.f_bavail * there.f_frsize // 2 // _MEMORY)
    if not times:
        raise place.VaultError(
            'the vault %s has less than %d MiB free, which measuring takes: '
            'make room' % (vault, 2 * _MEMORY >> 20))
    fd = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC |
                 os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(fd, 0, times * _MEMORY)
    finally:
        os.close(fd)


def _write(vault: str, spare: str, directory: str) -> float:
    """Write the spare file; return how many MiB went in a second."""
    def check() -> None:
        if place.is_locked(vault):
            raise place.VaultError(
                'the vault %s is being written or restored: measure it when '
                'that is over' % vault)

    began = time.monotonic()
    taken = 0.0
    written = 0
    while taken < _SECONDS and written < os.path.getsize(spare):
        data.write(spare, directory, data.Part('memory', _MEMORY, written), 0,
                   check)
        written += _MEMORY
        taken = time.monotonic() - began
    return written / taken / (1 << 20)


def _compare(spare: str, directory: str) -> float:
    """Compare memory with what is there; return MiB in a second."""
    part = data.Part('memory', _MEMORY, 0)
    there = data.There(part)
    data.write(spare, directory, part, 0, there=there)
    began = time.monotonic()
    taken = 0.0
    compared = 0
    while taken < _COMPARING:
        data.write(spare, directory, part, 0, there=there)
        compared += _MEMORY
        taken = time.monotonic() - began
    return compared / taken / (1 << 20)
