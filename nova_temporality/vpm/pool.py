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

"""Pools, and the regions and states in them."""

from collections import abc
import dataclasses
from importlib.machinery import EXTENSION_SUFFIXES
import os
from typing import Any
from typing import Self
import uuid as uuid_module

from nova_temporality.native import _vpm
from nova_temporality.vpm import errors
from nova_temporality.vpm import fixation
from nova_temporality.vpm import handles

_ffi = handles.ffi
_lib = handles.lib

PAUSE_MAX_NS: int = _lib.VPM_PAUSE_MAX_NS

# What LD_PRELOAD puts the pager into a QEMU with; the variable names the
# region's directory. Packages have a link there, to a path without Python's
# version in it; servers remember that path.
PRELOAD_PATH = os.path.realpath(os.path.join(
    os.path.dirname(_vpm.__file__), 'libvpm-preload' + EXTENSION_SUFFIXES[0]))
PRELOAD_VARIABLE = 'TEMPORALITY_VPM'
# The one that names the file of a memory whose writes are noted.
WRITES_VARIABLE = 'TEMPORALITY_WRITES'

# Which page leaves NVRAM when room is needed.
POLICIES: dict[str, int] = {'fifo': _lib.VPM_POLICY_FIFO,
                            's3fifo': _lib.VPM_POLICY_S3FIFO}
_POLICY_NAMES = {number: name for name, number in POLICIES.items()}

# On what a pool may lie (see vpm_medium).
DAX = 'dax'
TMPFS = 'tmpfs'
FILE = 'file'
MEDIA: dict[str, int] = {DAX: _lib.VPM_MEDIUM_DAX,
                         TMPFS: _lib.VPM_MEDIUM_TMPFS,
                         FILE: _lib.VPM_MEDIUM_FILE}

# What to know about them, other than DAX.
_REMARKS = {
    TMPFS: '%s lies on tmpfs, which emulates NVRAM: its contents do not '
           'survive a real power cut',
    FILE: '%s lies on an ordinary file system: the memory of servers is '
          'written to its disk before their states are marked, which takes '
          'far longer than power lasts without a UPS',
}

_VAULTED = ('%s lies in DRAM and is written to the vault %s before a planned '
            'reboot ("temporality fixate --for-reboot"): its contents survive '
            'that, but no power cut, as the supply does not last for writing '
            'it (vault_hold_up is 0)')
_VAULTED_AT_FAILURES = (
    '%s lies in DRAM and is written to the vault %s before a planned reboot '
    '("temporality fixate --for-reboot"), and when power fails: its contents '
    'survive if the supply lasts for that (vault_hold_up)')

# What a VPM region's pager had trouble with (see vpm_region_error).
_REGION_ERRORS = {
    _lib.VPM_REGION_SOUND: None,
    _lib.VPM_REGION_SWAP_IN: 'a page could not be read from the swap file',
    _lib.VPM_REGION_BAD_SLOT: 'a page in the swap file is torn or foreign',
    _lib.VPM_REGION_SWAP_OUT: 'a page could not be written to the swap file',
    _lib.VPM_REGION_BAD_ENTRY: 'a page table entry is damaged',
    _lib.VPM_REGION_MAPPING: 'a page could not be mapped',
    _lib.VPM_REGION_UNMAPPING: 'a page could not be unmapped',
}
_NO_PAGE = (1 << 32) - 1

DEFAULT_STATE_SIZE = 32 << 20
DEFAULT_PAGE_SIZE = 4096
DEFAULT_DESCRIPTORS = 256
# Beyond the ranges that distributions and systemd give to users and
# containers, below 2**31.
DEFAULT_UID_BASE = 1900000000


@dataclasses.dataclass(frozen=True)
class PoolInfo:
    """What a pool is and how much of it is used.

    :ivar medium: a key of MEDIA, on which it lies
    :ivar made_on: a key of MEDIA, on which it was made; '' if it does not say
    :ivar vault: directory of its vault; '' if it has none
    :ivar medium_problem: why no server can be armed on this medium, in words,
                          or None
    """

    version: int
    uuid: uuid_module.UUID
    total_size: int
    used_size: int
    freed_size: int
    state_size: int
    page_size: int
    descriptors: int
    used_descriptors: int
    uid_base: int
    medium: str
    made_on: str
    medium_problem: str | None
    flush: str
    vault: str

    def remark(self, path: str, vault_hold_up: int = 0) -> str | None:
        """Say what to know about the medium, None if that is DAX.

        :param path: of the pool
        :param vault_hold_up: [temporality] vault_hold_up, seconds
        """
        if self.vault:
            return (_VAULTED_AT_FAILURES if vault_hold_up else _VAULTED) % (
                path, self.vault)
        remark = _REMARKS.get(self.medium)
        return remark and remark % path

    @property
    def medium_shown(self) -> str:
        """The medium, as people are told: that with a vault is another."""
        return 'vaulted' if self.vault else self.medium

    @property
    def free_size(self) -> int:
        """Bytes that can still be allocated."""
        return self.total_size - self.used_size


@dataclasses.dataclass(frozen=True)
class RegionInfo:
    """One region: the memory of one pVM."""

    id: int
    name: str
    sequence: int
    size: int
    epoch: int
    created_ns: int
    descriptor: int
    uid: int
    ram_path: str
    virtual_size: int
    page_size: int
    policy: str | None
    virtual_path: str
    swap_path: str

    @property
    def directory(self) -> str:
        """Where its files are."""
        return os.path.dirname(self.ram_path)

    @property
    def memory_path(self) -> str:
        """The file that QEMU is given as its memory."""
        return self.virtual_path or self.ram_path

    @property
    def memory_size(self) -> int:
        """Bytes of memory that it is to its server."""
        return self.virtual_size if self.is_vpm else self.size

    @property
    def is_vpm(self) -> bool:
        """Whether it has more memory than NVRAM."""
        return self.page_size != 0


@dataclasses.dataclass(frozen=True)
class RegionExport:
    """A region as it goes to the vault (see vpm_region_export).

    :ivar entry: of the table of contents
    :ivar runs: of its record in the vault
    """

    entry: bytes
    runs: int


@dataclasses.dataclass(frozen=True)
class RegionStats:
    """What the pager of a region says (see vpm_region_stats)."""

    in_memory: int
    in_swap: int
    faults: int
    refaults: int
    swap_ins: int
    swap_outs: int
    clean_outs: int
    fatal: bool
    error: str | None

    @property
    def mrr(self) -> float:
        """The memory residence ratio in percent."""
        total = self.in_memory + self.in_swap
        return 100 * self.in_memory / total if total else 100.0


@dataclasses.dataclass(frozen=True)
class StateInfo:
    """A proven state."""

    epoch: int
    length: int
    persisted_ns: int
    meta: fixation.FixationMeta


def region_id(name: str, sequence: int = 0) -> int:
    """Return the id that a region of this name and sequence number has."""
    return _lib.vpm_region_id(handles.name(name),
                              handles.number('sequence', sequence, 32))


def check(path: str) -> list[str]:
    """Examine a pool without changing anything.

    :returns: a list of findings in words; an empty one for a sound pool
    """
    findings: list[str] = []
    err = handles.new_error()
    handle = _ffi.new_handle(findings)
    handles.check(_lib.vpm_pool_check(
        os.fsencode(path), _lib.vpm_python_report, handle, err), err)
    return findings


class Pool:
    """An open pool; a context manager.

    close() takes effect when the calls that other threads are in the midst
    of have returned, and when the pool's fixations are closed.
    """

    def __init__(self, path: str) -> None:
        err = handles.new_error()
        self._handle = handles.owned(
            _lib.vpm_pool_open(os.fsencode(path), err),
            _lib.vpm_pool_close, err)
        self.path = path
        # What was listed last: as libvpm says it, and as Python has it.
        self._listed: tuple[Any, list[RegionInfo]] = (
            _ffi.new('struct vpm_region_info[]', 0), [])

    @classmethod
    def create(cls, path: str, *, total_size: int,
               state_size: int = DEFAULT_STATE_SIZE,
               page_size: int = DEFAULT_PAGE_SIZE,
               descriptors: int = DEFAULT_DESCRIPTORS,
               uid_base: int = DEFAULT_UID_BASE,
               media: abc.Collection[str] = (), vault: str = '',
               uuid: uuid_module.UUID | None = None) -> Self:
        """Format a directory, which must be empty or not exist; open it.

        :param total_size: bytes of NVRAM for the memory of servers
        :param state_size: bytes of every region's state file
        :param page_size: bytes, of which total_size is a multiple
        :param descriptors: the most regions that it can hold
        :param uid_base: user id that regions' own ones begin with; 0: all
                         files stay with the caller
        :param media: keys of MEDIA that are wanted; empty: any
        :param vault: absolute path of its vault; '': it has none
        :param uuid: of a pool that is made again; None: a new one
        :raises WrongMedium: the directory lies on another one
        """
        vault_path = _ffi.new('char[]', os.fsencode(vault))
        params = _ffi.new('struct vpm_pool_params *', {
            'vault': vault_path if vault else _ffi.NULL,
            'uuid': uuid.bytes if uuid else bytes(16),
            'total_size': handles.number('total_size', total_size, 64),
            'state_size': handles.number('state_size', state_size, 64),
            'page_size': handles.number('page_size', page_size, 32),
            'descriptors': handles.number('descriptors', descriptors, 32),
            'uid_base': handles.number('uid_base', uid_base, 32),
            'media': sum(1 << MEDIA[medium] for medium in set(media)),
        })
        err = handles.new_error()
        handles.check(
            _lib.vpm_pool_create(os.fsencode(path), params, err), err)
        return cls(path)

    def close(self) -> None:
        """Give the handle up; harmless when done already."""
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def info(self) -> PoolInfo:
        """Return a PoolInfo."""
        info = _ffi.new('struct vpm_pool_info *')
        self.call(_lib.vpm_pool_info, info)
        return PoolInfo(
            uuid=uuid_module.UUID(bytes=bytes(info.uuid)),
            medium=handles.text(info.medium), flush=handles.text(info.flush),
            made_on=handles.text(info.made_on),
            vault=handles.path(info.vault),
            medium_problem=self._medium_problem(),
            **handles.numbers(
                info, 'version', 'total_size', 'used_size', 'freed_size',
                'state_size', 'page_size', 'descriptors', 'used_descriptors',
                'uid_base'))

    def record_medium(self, medium: str) -> None:
        """Record that the pool was made on the medium on which it lies.

        :param medium: a key of MEDIA
        :raises WrongMedium: it lies on another one
        """
        self.call(_lib.vpm_pool_record_medium, MEDIA[medium])

    def _medium_problem(self) -> str | None:
        try:
            self.call(_lib.vpm_pool_check_medium)
        except errors.WrongMedium as e:
            return str(e)
        return None

    def pause(self, for_ns: int) -> None:
        """Have background work on this host wait, or no longer.

        :param for_ns: at most PAUSE_MAX_NS from now on; 0 ends it
        """
        self.call(_lib.vpm_pool_pause, handles.number('for_ns', for_ns, 64))

    def is_paused(self) -> bool:
        """Whether background work waits."""
        return _lib.vpm_pool_is_paused(self.handle())

    def finish_freed(self) -> None:
        """Scrub what was freed and is not scrubbed yet.

        Does nothing during a pause of background work.
        """
        self.call(_lib.vpm_pool_finish_freed)

    def alloc(self, name: str, size: int, sequence: int = 0) -> RegionInfo:
        """Allocate a zeroed region; return its RegionInfo."""
        info = _ffi.new('struct vpm_region_info *')
        self.call(_lib.nvalloc, handles.name(name),
                  handles.number('sequence', sequence, 32),
                  handles.number('size', size, 64), info)
        return _region(info)

    def alloc_vpm(self, name: str, size: int, nvram_size: int, swap_dir: str,
                  *, page_size: int = 0, policy: str = 's3fifo',
                  sequence: int = 0) -> RegionInfo:
        """Allocate a region with less NVRAM than memory.

        :param swap_dir: where its swap file goes
        :param page_size: 0 to have it chosen
        :param policy: a key of POLICIES
        :returns: its RegionInfo, which says what sizes were taken
        """
        if policy not in POLICIES:
            raise errors.InvalidArgument(
                'policy is %r; it must be one of: %s' %
                (policy, ', '.join(sorted(POLICIES))))
        path = _ffi.new('char[]', os.fsencode(swap_dir))
        params = _ffi.new('struct vpm_vpm_params *', {
            'size': handles.number('size', size, 64),
            'nvram_size': handles.number('nvram_size', nvram_size, 64),
            'page_size': handles.number('page_size', page_size, 32),
            'policy': POLICIES[policy],
            'swap_dir': path,
        })
        info = _ffi.new('struct vpm_region_info *')
        self.call(_lib.nvalloc_vpm, handles.name(name),
                  handles.number('sequence', sequence, 32), params, info)
        return _region(info)

    def stats(self, id: int) -> RegionStats:
        """Return the RegionStats of a region."""
        stats = _ffi.new('struct vpm_region_stats *')
        self.call(_lib.vpm_region_stats, handles.number('id', id, 64), stats)
        return RegionStats(
            error=_region_error(stats),
            **handles.numbers(
                stats, 'in_memory', 'in_swap', 'faults', 'refaults',
                'swap_ins', 'swap_outs', 'clean_outs', 'fatal'))

    def free(self, name: str, sequence: int = 0) -> None:
        """Scrub a region durably, then forget it.

        During a pause it is only forgotten, durably, and scrubbed later.
        """
        self.call(_lib.nvfree, handles.name(name),
                  handles.number('sequence', sequence, 32))

    def lookup(self, name: str, sequence: int = 0) -> RegionInfo:
        """Return the RegionInfo of a region, or raise NotFound."""
        info = _ffi.new('struct vpm_region_info *')
        self.call(_lib.vpm_region_lookup, handles.name(name),
                  handles.number('sequence', sequence, 32), info)
        return _region(info)

    def regions(self) -> list[RegionInfo]:
        """Return a list with the RegionInfo of every region."""
        known, regions = self._listed
        room = max(16, len(regions))
        while True:
            infos = _ffi.new('struct vpm_region_info[]', room)
            count = self.call(_lib.vpm_region_list, infos, room)
            if count <= room:
                break
            room = count
        # Mostly nothing has changed, and these make many objects.
        if count != len(regions) or _ffi.buffer(infos) != _ffi.buffer(known):
            regions = [_region(infos[i]) for i in range(count)]
            self._listed = infos, regions
        return list(regions)

    def scrub(self, id: int) -> None:
        """Zero a region's ram and drop its state; it stays allocated."""
        self.call(_lib.vpm_region_scrub, handles.number('id', id, 64))

    def begin_epoch(self, id: int) -> None:
        """Make any fixated state stale, durably, before vCPUs may run."""
        self.call(_lib.vpm_region_begin_epoch, handles.number('id', id, 64))

    def export_region(self, id: int) -> RegionExport:
        """Tell what a region is, for import_region().

        :raises VaultUnavailable: its record cannot be read
        """
        out = _ffi.new('struct vpm_region_export *')
        self.call(_lib.vpm_region_export, handles.number('id', id, 64), out)
        return RegionExport(bytes(out.entry), out.runs)

    def import_region(self, exported: RegionExport, proven: bool,
                      swap_dir: str) -> RegionInfo:
        """Allocate a region again, in a pool that is made again.

        :param proven: whether its state is to be adopted
        :param swap_dir: where its swap file is, if it has one
        :raises VaultUnavailable: its record is not this region's
        :raises Unproven: its state is stale
        """
        room = _ffi.new('struct vpm_region_export *', {
            'entry': exported.entry,
            'runs': handles.number('runs', exported.runs, 64)})
        path = _ffi.new('char[]', os.fsencode(swap_dir))
        info = _ffi.new('struct vpm_region_info *')
        self.call(_lib.vpm_region_import, room, proven, path, info)
        return _region(info)

    def adopt(self, id: int) -> None:
        """Have what was written into an imported region's files be its own.

        :raises Unproven: it is not this region's, or of another epoch
        """
        self.call(_lib.vpm_region_adopt, handles.number('id', id, 64))

    def open_fixation(self, id: int) -> fixation.Fixation:
        """Prepare for fixations of a region; return a Fixation."""
        return fixation.Fixation(self.handle(), handles.number('id', id, 64))

    def verify_state(self, id: int) -> StateInfo:
        """Prove a region's state: return StateInfo or raise Unproven."""
        info = _ffi.new('struct vpm_state_info *')
        self.call(_lib.vpm_state_verify, handles.number('id', id, 64), info)
        meta = info.meta
        return StateInfo(
            meta=fixation.FixationMeta(
                runstate=handles.text(meta.runstate),
                producer=handles.text(meta.producer),
                **handles.numbers(meta, 'wall_ns', 'signal_ns', 'stopped_ns',
                                  'saved_ns')),
            **handles.numbers(info, 'epoch', 'length', 'persisted_ns'))

    def send_state(self, id: int, fd: int | handles.HasFileno,
                   deadline: float = 0.0) -> None:
        """Prove a region's state, then write it to a socket or pipe.

        :param fd: a file descriptor, or an object with fileno()
        :param deadline: seconds of time.monotonic(); 0: none
        :raises DeadlineExceeded: the other end has not read all by then
        """
        self.call(_lib.vpm_state_send, handles.number('id', id, 64),
                  handles.fileno(fd),
                  handles.number('deadline', int(deadline * 1e9), 64))

    def handle(self) -> Any:
        """What libvpm knows it by; for the modules of this package.

        :raises ValueError: it is closed
        """
        handle = self._handle
        if handle is None:
            raise ValueError('pool %s is closed' % self.path)
        return handle

    def call(self, function: Any, *args: Any) -> int:
        """Call libvpm on it; for the modules of this package.

        :param function: takes handle, arguments and error
        :returns: what it returns, unless that is negative
        :raises VpmError: it is
        """
        # The local reference keeps the handle alive if another thread
        # closes the pool meanwhile.
        handle = self.handle()
        err = handles.new_error()
        return handles.check(function(handle, *args, err), err)


@_ffi.def_extern()
def vpm_python_report(finding: Any, opaque: Any) -> None:
    _ffi.from_handle(opaque).append(handles.text(finding))


def _region(info: Any) -> RegionInfo:
    return RegionInfo(
        name=handles.text(info.name), ram_path=handles.path(info.ram_path),
        virtual_path=handles.path(info.virtual_path),
        swap_path=handles.path(info.swap_path),
        policy=_POLICY_NAMES.get(info.policy),
        **handles.numbers(
            info, 'id', 'sequence', 'size', 'epoch', 'created_ns',
            'descriptor', 'uid', 'virtual_size', 'page_size'))


def _region_error(stats: Any) -> str | None:
    reason = _REGION_ERRORS.get(stats.error, 'error %d' % stats.error)
    if reason is None:
        return None
    if stats.error_page != _NO_PAGE:
        reason += ': page %d' % stats.error_page
    if stats.error_slot != _NO_PAGE:
        reason += ', slot %d' % stats.error_slot
    if stats.error_errno:
        reason += ': ' + os.strerror(stats.error_errno)
    return reason
