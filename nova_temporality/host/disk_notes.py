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
"""What a pVM's disks were when it was fixated, so that nobody swaps them.

Nothing of a pVM writes to its disks from its stop until its vCPUs run again.
If somebody else does meanwhile (a backup is put back, a snapshot reverted, a
file system repaired), then its memory belongs to other disks than it has.

After a fixation there may be time for a *note*: it lies in the pool, durably,
and counts for the state of one epoch only. The disks are synced before they
are looked at, so that a power cut takes nothing of that back. Whatever changes
a file then changes its time of modification; what only renames, copies with
its times, relabels or gives it another owner does not.

Power may go before there is a note. Then a file on a file system of this host
must not be younger than the fixation. That time may have been lost with the
power, but never lies in the future.

Block devices have no such time. Of them it is noted what the kernel calls
them, how large they are, and a sample of what they hold. So it is, but for the
name, of *remote* disks, which only QEMU can reach; who speaks with QEMU looks
at those.
"""

from __future__ import annotations

from collections import abc
import contextlib
import ctypes
import dataclasses
import datetime
import fcntl
import hashlib
import os
import stat

from nova_temporality.host import device_contents
from nova_temporality.host import device_identity
from nova_temporality.host import durable
from nova_temporality.host import paths
from nova_temporality.host import state_notes
from nova_temporality import vpm

# Of a qcow2 file: version, backing file, size, tables, number and place of
# snapshots, feature bits.
_QCOW2_MAGIC = b'QFI\xfb'
_QCOW2_HEADER = 104

# To how many nanoseconds file systems and copies keep times.
_GRANULARITIES_NS = (1, 100, 1000, 1000000, 1000000000, 2000000000)

# Nanoseconds for which a disk may be younger than the state: the clock of
# file systems ticks, and QEMU may have ended a moment later.
_TOLERANCE_NS = 2 * 1000000000

# File systems that take times from another host's clock; see statfs(2).
_REMOTE = {
    0x6969: 'nfs', 0xff534d42: 'cifs', 0xfe534d42: 'smb2', 0x517b: 'smb',
    0x00c36400: 'ceph', 0x65735546: 'fuse', 0x01021997: '9p',
    0x0bd00bd0: 'lustre', 0x01161970: 'gfs2', 0x7461636f: 'ocfs2',
    0x5346414f: 'afs', 0x47504653: 'gpfs', 0x19830326: 'fhgfs'}

# In a note, of the names of remote disks; all others are absolute paths.
_REMOTE_PREFIX = 'remote:'

_libc = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass(frozen=True)
class Disk:
    """What identifies a disk's content, as far as that can be had at once.

    :ivar size: bytes
    :ivar mtime_ns: of a file, else None
    :ivar header: of a qcow2 file, a digest; else None
    :ivar device: of a block device, see device_identity; else None
    :ivar content: of a block device or a remote disk, see device_contents;
                   else None
    """

    size: int
    mtime_ns: int | None = None
    header: str | None = None
    device: str | None = None
    content: str | None = None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How a pVM's disks are, compared to what they were.

    :ivar changed: what is not as it was, in words
    :ivar noted: whether there was a note of the state
    """

    changed: list[str]
    noted: bool


def take(pool_path: str, region: vpm.RegionInfo, epoch: int,
         disks: abc.Iterable[str],
         remote: abc.Mapping[str, Disk] | None = None) -> None:
    """Note what a pVM's disks are now; takes as long as they take to sync.

    If there is a note of a later state by then, that one stays.

    :param epoch: of its state
    :param disks: paths of what it may write to; of what is not there or no
                  disk it is noted that it was one of them
    :param remote: what its remote disks are, by the names of their devices
    :raises OSError: they cannot be synced, or the note not be written
    """
    found: dict[str, dict[str, object] | None] = {
        _REMOTE_PREFIX + name: dataclasses.asdict(disk)
        for name, disk in (remote or {}).items()}
    for path in disks:
        disk = _look(path, sync=True)
        found[path] = dataclasses.asdict(disk) if disk else None
    target = paths.disks_note(pool_path, region.name)
    with contextlib.suppress(FileExistsError):
        durable.make_directory(os.path.dirname(target))
    directory = os.open(os.path.dirname(target), os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        there = state_notes.latest_epoch(target, region)
        if there is None or there <= epoch:
            state_notes.write(target, region, epoch, {'disks': found})
    finally:
        os.close(directory)


def forget(pool_path: str, name: str) -> None:
    """Remove a pVM's note; harmless when there is none."""
    try:
        os.unlink(paths.disks_note(pool_path, name))
    except FileNotFoundError:
        pass


def compare(pool_path: str, region: vpm.RegionInfo, state: vpm.StateInfo,
            disks: abc.Mapping[str, str]) -> Comparison:
    """Compare a pVM's disks with what they were when it was fixated.

    Disks that are not there are left to who opens them.

    :param state: its proven state
    :param disks: present paths of what it may write to, by those that they had
                  when it was fixated
    """
    note = _read(pool_path, region, state.epoch)
    changed = []
    for former, path in disks.items():
        before = _noted(note, former) if note else None
        try:
            disk = _look(path, sampled=before.size if before else 0)
        except OSError as e:
            changed.append('%s: cannot be read (%s)' % (path, e.strerror))
            continue
        if disk is None:
            continue
        if before:
            how = difference(before, disk)
        elif note is not None and disk.mtime_ns is None and (
                former not in note):
            # A file is known by its time all the same, and has more names.
            how = 'its machine had no such device'
        else:
            how = _younger(path, disk, state)
        if how:
            changed.append('%s: %s' % (path, how))
    return Comparison(changed, note is not None)


def noted_remote(pool_path: str, region: vpm.RegionInfo,
                 epoch: int) -> dict[str, Disk]:
    """What the remote disks of a pVM were, by the names of their devices.

    :param epoch: of its state; of others there is nothing
    """
    note = _read(pool_path, region, epoch) or {}
    return {name.removeprefix(_REMOTE_PREFIX): disk
            for name, disk in note.items()
            if disk and name.startswith(_REMOTE_PREFIX)}


def difference(before: Disk, now: Disk) -> str | None:
    """In what a disk differs from what it was; None if in nothing.

    :param now: sampled in the former size
    """
    if (before.mtime_ns is None) != (now.mtime_ns is None):
        return 'a file is a device now, or a device a file'
    if before.mtime_ns is None or now.mtime_ns is None:
        return _difference_of_devices(before, now)
    if now.size != before.size:
        return '%d bytes, not %d' % (now.size, before.size)
    if now.header != before.header:
        return 'another qcow2 header'
    if not _is_same_time(before.mtime_ns, now.mtime_ns):
        return 'modified %s, not %s' % (_time(now.mtime_ns),
                                        _time(before.mtime_ns))
    return None


def _noted(note: dict[str, Disk | None], path: str) -> Disk | None:
    """What a disk was, perhaps by another name of its file."""
    real = os.path.realpath(path)
    return note.get(path) or next(
        (disk for other, disk in note.items()
         if disk and disk.mtime_ns is not None and
         os.path.realpath(other) == real), None)


def _look(path: str, sync: bool = False,
          sampled: int | None = None) -> Disk | None:
    """Look at a disk; None if it is not there, or is none.

    :param path: not trusted; opening some files would have effects
    :param sampled: bytes of a device of which a sample is taken; None for
                    all, 0 for no sample
    :raises OSError: it cannot be read, or not be synced
    """
    try:
        kind = os.stat(path).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):
            return None
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (
            os.O_DIRECT if stat.S_ISBLK(kind) else 0))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    try:
        if sync:
            os.fsync(fd)
        if stat.S_ISBLK(kind):
            return _device(fd, sampled)
        status = os.fstat(fd)
        header = os.pread(fd, _QCOW2_HEADER, 0)
        return Disk(status.st_size, status.st_mtime_ns,
                    hashlib.sha256(header).hexdigest()
                    if header.startswith(_QCOW2_MAGIC) else None)
    finally:
        os.close(fd)


def _device(fd: int, sampled: int | None) -> Disk:
    size = os.lseek(fd, 0, os.SEEK_END)
    # One that shrank is another one, whatever it holds.
    sampled = size if sampled is None else min(size, sampled)
    return Disk(
        size, device=device_identity.of(os.fstat(fd).st_rdev),
        content=device_contents.digest(fd, sampled) if sampled else None)


def _read(pool_path: str, region: vpm.RegionInfo,
          epoch: int) -> dict[str, Disk | None] | None:
    """The note of a state; None if there is none, or that of another.

    Of what was not to be seen it has None.
    """
    return state_notes.read(
        paths.disks_note(pool_path, region.name), region, epoch,
        lambda note: {path: None if disk is None else Disk(**disk)
                      for path, disk in note['disks'].items()})


def _difference_of_devices(before: Disk, now: Disk) -> str | None:
    # A volume may have been extended meanwhile.
    if now.size < before.size:
        return '%d bytes, not %d' % (now.size, before.size)
    if device_identity.differ(before.device, now.device):
        return 'another device, %s, not %s' % (now.device, before.device)
    if before.content not in (None, now.content):
        return 'other contents'
    return None


def _is_same_time(before: int, now: int) -> bool:
    return any(now == before - before % unit for unit in _GRANULARITIES_NS)


def _younger(path: str, disk: Disk, state: vpm.StateInfo) -> str | None:
    """Whether a file was modified after the fixation; how, or None."""
    if disk.mtime_ns is None or _is_remote(path):
        return None
    fixated = (state.meta.wall_ns + state.persisted_ns -
               state.meta.signal_ns)
    if disk.mtime_ns <= fixated + _TOLERANCE_NS:
        return None
    return 'modified %s, after %s' % (_time(disk.mtime_ns), _time(fixated))


def _is_remote(path: str) -> bool:
    # Of struct statfs, which os.statvfs() does not show, the type is first.
    room = (ctypes.c_long * 64)()
    if _libc.statfs(os.fsencode(path), room) < 0:
        return True
    return room[0] & 0xffffffff in _REMOTE


def _time(instant_ns: int) -> str:
    return datetime.datetime.fromtimestamp(
        instant_ns // 1000000000, datetime.timezone.utc).strftime('%FT%TZ')
