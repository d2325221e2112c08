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

"""Copying what a server that stands still consists of.

The server was fixated, so its state is proven. If the same state is still
proven when all was copied, no vCPU ran in between, and the copies belong
together.
"""

from collections import abc
import os
import time

from nova_temporality.host import cpu_notes
from nova_temporality.snapshot import error
from nova_temporality.snapshot import files
from nova_temporality.snapshot import manifest
from nova_temporality.snapshot import plain_files
from nova_temporality.snapshot import store
from nova_temporality import vpm

# The pager goes on for a while after the vCPUs have stopped, to make room.
_QUIET_SECONDS = 0.02
_PAGER_PATIENCE = 10.0

# Beyond what any page table (bytes, and bytes for each page) and swap file
# (times the memory) has; see layout.h and shape.h.
_TABLE_BASE = 64 << 10
_TABLE_PER_PAGE = 64
_SWAP_TIMES = 2


def save(pool: vpm.Pool, region: vpm.RegionInfo, directory: str,
         disks: abc.Mapping[str, str], at_most: int,
         check: files.Check = files.go_on) -> manifest.Copied:
    """Copy a server's state, memory and disks, which are not durable then.

    :param pool: that the region is in
    :param region: the server's
    :param directory: of the snapshot
    :param disks: their paths by the names of their copies
    :param at_most: bytes that one of them may have
    :param check: called now and then; raises what ends the copying
    :returns: what was copied, in plain data
    :raises SnapshotError: it did not stand still
    :raises vpm.Unproven: it is not fixated (any more)
    """
    began = time.monotonic()
    proven = pool.verify_state(region.id)
    made: dict[str, manifest.File] = {
        name: {'cloned': files.copy(path, os.path.join(directory, name),
                                    clone=True, check=check,
                                    at_most=at_most)}
        for name, path in disks.items()}
    made[store.STATE] = {}
    with files.create(os.path.join(directory, store.STATE)) as state:
        pool.send_state(region.id, state)
    made.update(_save_memory(region, directory, check))
    if pool.verify_state(region.id) != proven:
        raise error.SnapshotError(
            'the vCPUs of %s ran while it was being copied; somebody else '
            'started them' % region.name)
    return {
        'files': made,
        'memory_size': region.memory_size,
        'nvram_size': region.size,
        'page_size': region.page_size,
        'meta': vars(proven.meta),
        'cpu': cpu_notes.read(pool.path, region),
        'copied_ms': round((time.monotonic() - began) * 1e3, 1),
    }


def memory_size(region: vpm.RegionInfo) -> int:
    """Bytes that the copy of a server's memory takes at most."""
    if not region.is_vpm:
        return region.size
    return (region.size + _table_bound(region) +
            min(os.path.getsize(os.path.realpath(region.swap_path)),
                _SWAP_TIMES * region.virtual_size))


def _save_memory(region: vpm.RegionInfo, directory: str,
                 check: files.Check) -> dict[str, manifest.File]:
    if region.is_vpm:
        return _save_paged(region, directory, check)
    files.copy(region.ram_path, os.path.join(directory, store.RAM),
               check=check, uid=region.uid, at_most=region.size)
    return {store.RAM: {}}


def _save_paged(region: vpm.RegionInfo, directory: str,
                check: files.Check) -> dict[str, manifest.File]:
    """Copy frames and slots of one instant, and the table that names them.

    Nothing is cloned here. A clone would make the swap file need new space
    when it is written, but only the space that it has is reserved.
    """
    deadline = time.monotonic() + _PAGER_PATIENCE
    while True:
        table = _quiet_table(region, deadline, check)
        for name, source, at_most in (
                (store.RAM, region.ram_path, region.size),
                (store.SWAP, os.path.realpath(region.swap_path),
                 _SWAP_TIMES * region.virtual_size)):
            files.copy(source, os.path.join(directory, name), check=check,
                       uid=region.uid, at_most=at_most)
        # The table also counts all that the pager does.
        if _read_table(region) == table:
            break
        for name in (store.RAM, store.SWAP):
            os.unlink(os.path.join(directory, name))
    with files.create(os.path.join(directory, store.PAGE_TABLE)) as copy:
        files.write_all(copy.fileno(), table, 0)
    return {name: {} for name in (store.RAM, store.SWAP, store.PAGE_TABLE)}


def _quiet_table(region: vpm.RegionInfo, deadline: float,
                 check: files.Check) -> bytes:
    """Wait until the pager has nothing to do; return the page table."""
    table = _read_table(region)
    while True:
        check()
        time.sleep(_QUIET_SECONDS)
        before, table = table, _read_table(region)
        if before == table:
            return table
        if time.monotonic() > deadline:
            raise error.SnapshotError(
                'the pager is still busy %d s after the vCPUs have stopped. '
                'Try again' % _PAGER_PATIENCE)


def _read_table(region: vpm.RegionInfo) -> bytes:
    at_most = _table_bound(region)
    with plain_files.open_plain(
            os.path.join(region.directory, store.PAGE_TABLE), uid=region.uid,
            at_most=at_most) as table:
        # It may grow from now on.
        return os.pread(table.fileno(), at_most, 0)


def _table_bound(region: vpm.RegionInfo) -> int:
    """Bytes that no page table of a region has."""
    return _TABLE_BASE + _TABLE_PER_PAGE * (
        region.virtual_size // region.page_size)
