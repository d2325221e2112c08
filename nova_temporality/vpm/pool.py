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

"""libvpm for Python: named, crash-safe memory regions in NVRAM.

The behaviour of every call is described in native/include/vpm.h. Sizes are
bytes, times are nanoseconds. All calls release the GIL and may be made from
any thread. A failed call raises a subclass of VpmError whose message says
what was found, where, and what to do.
"""

import dataclasses
from importlib.machinery import EXTENSION_SUFFIXES
import os
import uuid

from nova_temporality.native import _vpm

_ffi = _vpm.ffi
_lib = _vpm.lib

NAME_MAX = _lib.VPM_NAME_MAX
PAUSE_MAX_NS = _lib.VPM_PAUSE_MAX_NS

# What LD_PRELOAD puts the pager into a QEMU with; the variable names the
# region's directory.
PRELOAD_PATH = os.path.join(os.path.dirname(_vpm.__file__),
                            'libvpm-preload' + EXTENSION_SUFFIXES[0])
PRELOAD_VARIABLE = 'TEMPORALITY_VPM'

# Which page leaves NVRAM when room is needed.
POLICIES = {'fifo': _lib.VPM_POLICY_FIFO, 's3fifo': _lib.VPM_POLICY_S3FIFO}
_POLICY_NAMES = {number: name for name, number in POLICIES.items()}

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


class VpmError(Exception):
    """A call of libvpm failed; str() is the explanation."""


class InvalidArgument(VpmError, ValueError):
    """An argument is out of range."""


class NotFound(VpmError):
    """There is no such pool or region."""


class AlreadyExists(VpmError):
    """The pool or region is there already."""


class PoolFull(VpmError):
    """Pool, descriptors, file system or state file are full."""


class IdCollision(VpmError):
    """Two names hash to one region id."""


class PoolCorrupt(VpmError):
    """A checksum or an invariant does not hold."""


class ForeignPool(VpmError):
    """Not a pool, or a pool that was moved from another device."""


class NewerVersion(VpmError):
    """The pool was written by a newer libvpm."""


class Unproven(VpmError):
    """A state is missing, stale, incomplete or damaged."""


class AlreadyFixated(VpmError):
    """Refused, because a proven state would have been overwritten."""


class DeadlineExceeded(VpmError):
    """The stream did not end before the deadline."""


class SystemCallFailed(VpmError):
    """A system call failed; its errno is in the message."""


_ERRORS = {
    _lib.VPM_EINVAL: InvalidArgument,
    _lib.VPM_ENOENT: NotFound,
    _lib.VPM_EEXIST: AlreadyExists,
    _lib.VPM_ENOSPC: PoolFull,
    _lib.VPM_ECOLLISION: IdCollision,
    _lib.VPM_ECORRUPT: PoolCorrupt,
    _lib.VPM_EFOREIGN: ForeignPool,
    _lib.VPM_EVERSION: NewerVersion,
    _lib.VPM_EUNPROVEN: Unproven,
    _lib.VPM_EFIXATED: AlreadyFixated,
    _lib.VPM_ETIMEDOUT: DeadlineExceeded,
    _lib.VPM_ESYS: SystemCallFailed,
}


@dataclasses.dataclass(frozen=True)
class PoolInfo:
    """What a pool is and how much of it is used."""

    version: int
    uuid: uuid.UUID
    total_size: int
    used_size: int
    freed_size: int
    state_size: int
    page_size: int
    descriptors: int
    used_descriptors: int
    uid_base: int
    medium: str
    flush: str

    @property
    def free_size(self):
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
    def directory(self):
        """Where its files are."""
        return os.path.dirname(self.ram_path)

    @property
    def memory_path(self):
        """The file that QEMU is given as its memory."""
        return self.virtual_path or self.ram_path

    @property
    def memory_size(self):
        """Bytes of memory that it is to its server."""
        return self.virtual_size if self.is_vpm else self.size

    @property
    def is_vpm(self):
        """Whether it has more memory than NVRAM."""
        return self.page_size != 0


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
    def mrr(self):
        """The memory residence ratio in percent."""
        total = self.in_memory + self.in_swap
        return 100 * self.in_memory / total if total else 100.0


@dataclasses.dataclass(frozen=True)
class FixationMeta:
    """What the notifier knows about a fixation (see vpm_fixation_meta)."""

    wall_ns: int = 0
    signal_ns: int = 0
    stopped_ns: int = 0
    saved_ns: int = 0
    runstate: str = ''
    producer: str = ''


@dataclasses.dataclass(frozen=True)
class StateInfo:
    """A proven state."""

    epoch: int
    length: int
    persisted_ns: int
    meta: FixationMeta


def region_id(name, sequence=0):
    """Return the id that a region of this name and sequence number has."""
    return _lib.vpm_region_id(_name(name), _number('sequence', sequence, 32))


def check(path):
    """Examine a pool without changing anything.

    :returns: a list of findings in words; an empty one for a sound pool
    """
    findings = []
    err = _error()
    handle = _ffi.new_handle(findings)
    _check(_lib.vpm_pool_check(os.fsencode(path),
                               _lib.vpm_python_report, handle, err), err)
    return findings


class Pool:
    """An open pool; a context manager.

    close() takes effect when the calls that other threads are in the midst
    of have returned, and when the pool's fixations are closed.
    """

    def __init__(self, path):
        err = _error()
        self._handle = _owned(
            _lib.vpm_pool_open(os.fsencode(path), err),
            _lib.vpm_pool_close, err)
        self.path = path

    @classmethod
    def create(cls, path, *, total_size, state_size=DEFAULT_STATE_SIZE,
               page_size=DEFAULT_PAGE_SIZE, descriptors=DEFAULT_DESCRIPTORS,
               uid_base=DEFAULT_UID_BASE):
        """Format a directory, which must be empty or not exist; open it."""
        params = _ffi.new('struct vpm_pool_params *', {
            'total_size': _number('total_size', total_size, 64),
            'state_size': _number('state_size', state_size, 64),
            'page_size': _number('page_size', page_size, 32),
            'descriptors': _number('descriptors', descriptors, 32),
            'uid_base': _number('uid_base', uid_base, 32),
        })
        err = _error()
        _check(_lib.vpm_pool_create(os.fsencode(path), params, err), err)
        return cls(path)

    def close(self):
        """Give the handle up; harmless when done already."""
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def info(self):
        """Return a PoolInfo."""
        info = _ffi.new('struct vpm_pool_info *')
        self._call(_lib.vpm_pool_info, info)
        return PoolInfo(
            uuid=uuid.UUID(bytes=bytes(info.uuid)),
            medium=_text(info.medium), flush=_text(info.flush),
            **_numbers(info, 'version', 'total_size', 'used_size',
                       'freed_size', 'state_size', 'page_size', 'descriptors',
                       'used_descriptors', 'uid_base'))

    def pause(self, for_ns):
        """Have background work on this host wait, or no longer.

        :param for_ns: at most PAUSE_MAX_NS from now on; 0 ends it
        """
        self._call(_lib.vpm_pool_pause, _number('for_ns', for_ns, 64))

    def is_paused(self):
        """Whether background work waits."""
        return _lib.vpm_pool_is_paused(self._open_handle())

    def finish_freed(self):
        """Scrub what was freed during a pause, unless there is one."""
        self._call(_lib.vpm_pool_finish_freed)

    def alloc(self, name, size, sequence=0):
        """Allocate a zeroed region; return its RegionInfo."""
        info = _ffi.new('struct vpm_region_info *')
        self._call(_lib.nvalloc, _name(name),
                   _number('sequence', sequence, 32),
                   _number('size', size, 64), info)
        return _region(info)

    def alloc_vpm(self, name, size, nvram_size, swap_dir, *, page_size=0,
                  policy='s3fifo', sequence=0):
        """Allocate a region with less NVRAM than memory.

        :param swap_dir: where its swap file goes
        :param page_size: 0 to have it chosen
        :param policy: a key of POLICIES
        :returns: its RegionInfo, which says what sizes were taken
        """
        if policy not in POLICIES:
            raise InvalidArgument('policy is %r; it must be one of: %s' %
                                  (policy, ', '.join(sorted(POLICIES))))
        path = _ffi.new('char[]', os.fsencode(swap_dir))
        params = _ffi.new('struct vpm_vpm_params *', {
            'size': _number('size', size, 64),
            'nvram_size': _number('nvram_size', nvram_size, 64),
            'page_size': _number('page_size', page_size, 32),
            'policy': POLICIES[policy],
            'swap_dir': path,
        })
        info = _ffi.new('struct vpm_region_info *')
        self._call(_lib.nvalloc_vpm, _name(name),
                   _number('sequence', sequence, 32), params, info)
        return _region(info)

    def stats(self, id):
        """Return the RegionStats of a region."""
        stats = _ffi.new('struct vpm_region_stats *')
        self._call(_lib.vpm_region_stats, _number('id', id, 64), stats)
        return RegionStats(
            error=_region_error(stats),
            **_numbers(stats, 'in_memory', 'in_swap', 'faults', 'refaults',
                       'swap_ins', 'swap_outs', 'clean_outs', 'fatal'))

    def free(self, name, sequence=0):
        """Scrub a region durably, then forget it.

        During a pause it is only forgotten, durably, and scrubbed later.
        """
        self._call(_lib.nvfree, _name(name),
                   _number('sequence', sequence, 32))

    def lookup(self, name, sequence=0):
        """Return the RegionInfo of a region, or raise NotFound."""
        info = _ffi.new('struct vpm_region_info *')
        self._call(_lib.vpm_region_lookup, _name(name),
                   _number('sequence', sequence, 32), info)
        return _region(info)

    def regions(self):
        """Return a list with the RegionInfo of every region."""
        room = 16
        while True:
            infos = _ffi.new('struct vpm_region_info[]', room)
            count = self._call(_lib.vpm_region_list, infos, room)
            if count <= room:
                return [_region(infos[i]) for i in range(count)]
            room = count

    def scrub(self, id):
        """Zero a region's ram and drop its state; it stays allocated."""
        self._call(_lib.vpm_region_scrub, _number('id', id, 64))

    def begin_epoch(self, id):
        """Make any fixated state stale, durably, before vCPUs may run."""
        self._call(_lib.vpm_region_begin_epoch, _number('id', id, 64))

    def open_fixation(self, id):
        """Prepare for fixations of a region; return a Fixation."""
        return Fixation(self._open_handle(), _number('id', id, 64))

    def verify_state(self, id):
        """Prove a region's state: return StateInfo or raise Unproven."""
        info = _ffi.new('struct vpm_state_info *')
        self._call(_lib.vpm_state_verify, _number('id', id, 64), info)
        meta = info.meta
        return StateInfo(
            meta=FixationMeta(
                runstate=_text(meta.runstate), producer=_text(meta.producer),
                **_numbers(meta, 'wall_ns', 'signal_ns', 'stopped_ns',
                           'saved_ns')),
            **_numbers(info, 'epoch', 'length', 'persisted_ns'))

    def send_state(self, id, fd):
        """Prove a region's state, then write it to a socket or pipe.

        :param fd: a file descriptor, or an object with fileno()
        """
        self._call(_lib.vpm_state_send, _number('id', id, 64), _fileno(fd))

    def _open_handle(self):
        handle = self._handle
        if handle is None:
            raise ValueError('pool %s is closed' % self.path)
        return handle

    def _call(self, function, *args):
        # The local reference keeps the handle alive if another thread
        # closes the pool meanwhile.
        handle = self._open_handle()
        err = _error()
        return _check(function(handle, *args, err), err)


class Fixation:
    """One region's state file, ready for the event; a context manager."""

    def __init__(self, pool_handle, id):
        err = _error()
        self._pool_handle = pool_handle
        self._handle = _owned(
            _lib.vpm_fixation_open(pool_handle, id, err),
            _lib.vpm_fixation_close, err)
        self.id = id

    def close(self):
        """Give the handle up; harmless when done already."""
        self._handle = None
        self._pool_handle = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def begin(self):
        """Start; raise AlreadyFixated if a proven state is there."""
        self._call(_lib.vpm_fixation_begin)

    def receive(self, fd, deadline_ns=0):
        """Read a socket or pipe to its end into the state file.

        :param fd: a file descriptor, or an object with fileno()
        :param deadline_ns: of time.monotonic_ns(); 0 is none
        """
        self._call(_lib.vpm_fixation_receive, _fileno(fd),
                   _number('deadline_ns', deadline_ns, 64))

    def commit(self, meta):
        """Persist stream and header, then the marker.

        :param meta: a FixationMeta
        :returns: time.monotonic_ns() when the marker was durable
        """
        persisted = _ffi.new('uint64_t *')
        self._call(_lib.vpm_fixation_commit, _meta(meta), persisted)
        return persisted[0]

    def _call(self, function, *args):
        pool_handle, handle = self._pool_handle, self._handle
        if pool_handle is None or handle is None:
            raise ValueError('fixation of region %016x is closed' % self.id)
        err = _error()
        return _check(function(handle, *args, err), err)


@_ffi.def_extern()
def vpm_python_report(finding, opaque):
    _ffi.from_handle(opaque).append(_text(finding))


def _error():
    return _ffi.new('struct vpm_error *')


def _raise(err):
    raise _ERRORS[err.code](_text(err.message))


def _check(result, err):
    if result < 0:
        _raise(err)
    return result


def _owned(handle, close, err):
    # ffi.gc closes it when the last thread has let go of it.
    if handle == _ffi.NULL:
        _raise(err)
    return _ffi.gc(handle, close)


def _text(chars):
    return _ffi.string(chars).decode('utf-8', 'replace')


def _name(name):
    encoded = name.encode()
    if b'\0' in encoded:
        raise InvalidArgument('pVM name %r contains a NUL; use 1 to %d '
                              'printable ASCII characters' %
                              (name, NAME_MAX))
    return encoded


def _number(what, value, bits):
    if not 0 <= value < 1 << bits:
        raise InvalidArgument('%s is %d; it must be between 0 and %d' %
                              (what, value, (1 << bits) - 1))
    return value


def _numbers(struct, *fields):
    return {field: getattr(struct, field) for field in fields}


def _fileno(fd):
    return fd if isinstance(fd, int) else fd.fileno()


def _path(chars):
    return os.fsdecode(_ffi.string(chars))


def _region(info):
    return RegionInfo(
        name=_text(info.name), ram_path=_path(info.ram_path),
        virtual_path=_path(info.virtual_path),
        swap_path=_path(info.swap_path),
        policy=_POLICY_NAMES.get(info.policy),
        **_numbers(info, 'id', 'sequence', 'size', 'epoch', 'created_ns',
                   'descriptor', 'uid', 'virtual_size', 'page_size'))


def _region_error(stats):
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


def _meta(meta):
    fields = dataclasses.asdict(meta)
    for field in ('runstate', 'producer'):
        fields[field] = fields[field].encode()
        if len(fields[field]) > _lib.VPM_RUNSTATE_MAX:
            raise InvalidArgument('%s %r is longer than %d bytes' % (
                field, getattr(meta, field), _lib.VPM_RUNSTATE_MAX))
    return _ffi.new('struct vpm_fixation_meta *', fields)
