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

"""Putting a snapshot back: the server is what it was then, as a fork.

From the first change until the last one there is a *note* in the pool. It
survives a power cut, and while it is there the server's vCPUs are not started.
So what was cut off half way never runs. It has to be loaded again, from the
beginning.
"""

from collections import abc
import contextlib
import json
import os
import stat
import time
from typing import Protocol

from nova_temporality.host import cpu_notes
from nova_temporality.host import disk_notes
from nova_temporality.host import dram
from nova_temporality.host import durable
from nova_temporality.host import nvdimm_notes
from nova_temporality.host import nvdimms
from nova_temporality.host import paths
from nova_temporality.snapshot import error
from nova_temporality.snapshot import files
from nova_temporality.snapshot import machine
from nova_temporality.snapshot import manifest as manifest_module
from nova_temporality.snapshot import plain_files
from nova_temporality.snapshot import space
from nova_temporality.snapshot import store
from nova_temporality import vpm
from nova_temporality.vpm import lease
from nova_temporality.vpm import runlock

# Of a page table, before which nothing differs in the life of its region.
_HEADER = 4096


class Owner(Protocol):
    """Who else might do something with the server.

    Each raises SnapshotError when that is so.
    """

    def take(self) -> None:
        """Called before anything is changed."""

    def hand_over(self) -> None:
        """Called when all is proven: have it resumed, and not booted."""

    def give_back(self) -> None:
        """Called when that does not come."""


def unfinished(pool_path: str, name: str) -> bool:
    """Whether a snapshot was not loaded to the end.

    :param name: of the pVM
    """
    return os.path.exists(paths.loading_note(pool_path, name))


def forget(pool_path: str, name: str) -> None:
    """Remove the note, because the load ended or the region is freed."""
    durable.remove(paths.loading_note(pool_path, name))


def check(manifest: manifest_module.Manifest, region: vpm.RegionInfo) -> None:
    """Make sure that a snapshot fits a server as it is now.

    :param region: the server's
    :raises SnapshotError: it does not
    """
    if manifest['genid'] is None:
        raise error.SnapshotError(
            'the machine in this snapshot has no generation ID (the server '
            'was started by an earlier release), so its guest would not '
            'notice that it is a fork; it cannot be loaded')
    for then, now, what in (
            (manifest['memory_size'], region.memory_size, 'bytes of memory'),
            (manifest['nvram_size'], region.size, 'bytes of NVRAM'),
            (manifest['page_size'], region.page_size, 'bytes per page')):
        if then != now:
            raise error.SnapshotError(
                'the server has %d %s now, and had %d; resize it back first'
                % (now, what, then))
    for path, digest in manifest['read_only'].items():
        if not os.path.exists(path) or files.digest(
                path, space.limit(0, [path])) != digest:
            raise error.SnapshotError(
                '%s, which a disk rests on, is missing or another one (sha256 '
                'was %s); snapshots do not contain such files. Bring it back'
                % (path, digest))
    for path in manifest['disks'].values():
        _stat_disk(path)


def _stat_disk(path: str) -> os.stat_result:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        raise error.SnapshotError('the server has no disk %s any more' % path)
    if not stat.S_ISREG(found.st_mode):
        raise error.SnapshotError('%s is no plain file' % path)
    return found


def _check_table(snapshot: store.Snapshot, region: vpm.RegionInfo) -> None:
    """Make sure that a page table is that of this region."""
    tables = []
    for path, uid in ((snapshot.path(store.PAGE_TABLE), None),
                      (os.path.join(region.directory, store.PAGE_TABLE),
                       region.uid)):
        with plain_files.open_plain(path, uid=uid) as table:
            tables.append(os.pread(table.fileno(), _HEADER, 0))
    if tables[0] != tables[1]:
        raise error.SnapshotError(
            'the snapshot is of a server with less NVRAM than memory, and '
            'fits only the region it was made of, which was given back '
            'meanwhile (by a rebuild, a resize, or shelving)')


def _check_room(snapshot: store.Snapshot,
                disks: abc.Mapping[str, str]) -> None:
    """Make sure that there is room for the new disks beside the present ones.

    :raises SnapshotError: there is not
    """
    needed: dict[int, int] = {}
    for name, path in disks.items():
        directory = os.path.dirname(path)
        device = os.stat(directory).st_dev
        needed[device] = needed.get(device, 0) + files.room_needed(
            snapshot.path(name), directory)
        space.check_room(directory, needed[device])


def load(pool: vpm.Pool, region: vpm.RegionInfo, snapshot: store.Snapshot,
         genid: str, domain_path: str, owner: Owner) -> None:
    """Put memory, disks, machine and state back; the state comes last.

    :param pool: that the region is in
    :param region: the server's
    :param snapshot: that is put back; locked
    :param genid: the generation ID of the fork
    :param domain_path: where the record of the server's machine is
    :param owner: who else might do something with the server
    :raises SnapshotError: it does not fit, or is damaged
    :raises lease.RegionInUse: some process has its memory open
    """
    manifest = snapshot.manifest()
    check(manifest, region)
    if region.is_vpm:
        _check_table(snapshot, region)
    snapshot.verify(manifest)
    _check_room(snapshot, manifest['disks'])
    repeated = unfinished(pool.path, region.name)
    # Whoever starts vCPUs looks for the note under this lock.
    with runlock.RunLock(region):
        lease.refuse_if_in_use(region)
        _write_note(pool, region, snapshot)
    try:
        owner.take()
    except error.SnapshotError:
        if not repeated:
            forget(pool.path, region.name)
        raise
    try:
        _put_back(pool, region, snapshot, manifest, genid, domain_path)
        owner.hand_over()
    except Exception:
        pool.begin_epoch(region.id)
        owner.give_back()
        raise
    forget(pool.path, region.name)


def _write_note(pool: vpm.Pool, region: vpm.RegionInfo,
                snapshot: store.Snapshot) -> None:
    note = paths.loading_note(pool.path, region.name)
    with contextlib.suppress(FileExistsError):
        durable.make_directory(os.path.dirname(note))
    durable.write(note, json.dumps({'snapshot': snapshot.directory}).encode())


def _put_back(pool: vpm.Pool, region: vpm.RegionInfo,
              snapshot: store.Snapshot, manifest: manifest_module.Manifest,
              genid: str, domain_path: str) -> None:
    pool.scrub(region.id)
    nvdimm_notes.forget(pool.path, region.name)
    cpu_notes.take(pool.path, region, manifest.get('cpu', {}))
    with pool.open_fixation(region.id) as fixation:
        # If anybody begins an epoch from now on, the state stays unproven.
        fixation.begin()
        _load_memory(snapshot, region)
        _load_disks(snapshot, manifest['disks'])
        with open(snapshot.path(store.DOMAIN), 'rb') as xml:
            durable.write(domain_path, machine.forked(
                xml.read(), genid, region.uid))
        snapshot.note_load(genid)
        with open(snapshot.path(store.STATE), 'rb') as stream:
            fixation.receive(stream)
        # The monotonic clock may have begun anew since it was saved.
        now = time.monotonic_ns()
        fixation.commit(vpm.FixationMeta(**{
            **manifest['meta'], 'signal_ns': now, 'stopped_ns': now,
            'saved_ns': now}))
    epoch = pool.verify_state(region.id).epoch
    nvdimm_notes.take(pool.path, region, epoch, nvdimms.below(pool.path),
                      is_dram=dram.holds(pool.path))
    # They are younger than the state.
    disk_notes.take(pool.path, region, epoch, manifest['disks'].values())


def _load_memory(snapshot: store.Snapshot, region: vpm.RegionInfo) -> None:
    _fill(snapshot.path(store.RAM), region.ram_path, region.uid)
    if region.is_vpm:
        _fill(snapshot.path(store.SWAP), os.path.realpath(region.swap_path),
              region.uid)
        # Last, so that it names nothing that is not there.
        _fill(snapshot.path(store.PAGE_TABLE),
              os.path.join(region.directory, store.PAGE_TABLE), region.uid,
              _HEADER)


def _fill(path: str, target: str, uid: int, start: int = 0) -> None:
    """Fill a file that is all zero, from an offset on."""
    with plain_files.open_plain(path) as source, (
            plain_files.open_plain(target, os.O_RDWR, uid=uid)) as opened:
        files.write_data(source, opened, path, start)
        os.fsync(opened.fileno())


def _load_disks(snapshot: store.Snapshot,
                disks: abc.Mapping[str, str]) -> None:
    new: dict[str, str] = {}
    for name, path in disks.items():
        new[path] = path + '.loading'
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new[path])  # of a load that was cut off
        files.copy(snapshot.path(name), new[path], clone=True)
        was = _stat_disk(path)
        os.chown(new[path], was.st_uid, was.st_gid)
        os.chmod(new[path], was.st_mode & 0o7777)
        durable.sync(new[path])
    for path, replacement in new.items():
        durable.rename(replacement, path)
