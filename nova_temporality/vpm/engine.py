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

"""The fixation engine of libvpm for Python.

What it does, and what may be done when, is told in native/include/vpm.h. All
calls release the GIL, and the engine's threads never need it.
"""

import dataclasses
import os

from nova_temporality.native import _vpm
from nova_temporality.vpm import pool as vpm

_ffi = _vpm.ffi
_lib = _vpm.lib

# The name under which QEMU is given what it saves to.
STREAM_NAME = _ffi.string(_lib.VPM_STREAM_NAME).decode()

ROUTES = {'migrate': _lib.VPM_ROUTE_MIGRATE,
          'snapshot': _lib.VPM_ROUTE_SNAPSHOT}
_ROUTE_NAMES = {number: name for name, number in ROUTES.items()}

FIXATED = 'fixated'
SKIPPED = 'skipped'
FAILED = 'failed'
_RESULTS = {FIXATED: _lib.VPM_RESULT_FIXATED,
            SKIPPED: _lib.VPM_RESULT_SKIPPED,
            FAILED: _lib.VPM_RESULT_FAILED}
_RESULT_NAMES = {number: name for name, number in _RESULTS.items()}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one pVM in an outage (see vpm_outcome)."""

    name: str
    result: str
    sequence: int = 0
    wall_ns: int = 0
    signal_ns: int = 0
    command_ns: int = 0
    stopped_ns: int = 0
    stream_ns: int = 0
    saved_ns: int = 0
    fixated_ns: int = 0
    region: int = 0
    length: int = 0
    route: str = 'migrate'
    pid: int = 0
    runstate: str = ''
    raised_by: tuple = ()
    reason: str = ''


@dataclasses.dataclass(frozen=True)
class Stopped:
    """That a pVM was stopped, and by whom.

    :ivar pid: of the QEMU that was stopped
    :ivar runstate: its run state before
    :ivar raised_by: who wanted it, as in power.PowerEvent
    """

    pid: int
    runstate: str
    raised_by: tuple


class Note:
    """The note that one pVM was stopped."""

    def __init__(self, path):
        err = vpm._error()
        self._handle = vpm._owned(
            _lib.vpm_note_open(os.fsencode(path), err),
            _lib.vpm_note_close, err)

    def read(self):
        """Return the Stopped, or None."""
        stopped = _ffi.new('struct vpm_stopped *')
        if not _lib.vpm_note_read(self._handle, stopped):
            return None
        return Stopped(stopped.pid, vpm._text(stopped.runstate),
                       _split(stopped.raised_by))

    def write(self, stopped):
        """Replace it by a Stopped in one piece; None forgets it."""
        fields = {} if stopped is None else {
            'pid': stopped.pid, 'runstate': stopped.runstate.encode(),
            'raised_by': _join(stopped.raised_by)}
        _lib.vpm_note_write(self._handle,
                            _ffi.new('struct vpm_stopped *', fields))


class Engine:
    """The threads that fixate all pVMs of a pool.

    :param pool: vpm.Pool
    :param threads: how many
    :param priority: of SCHED_FIFO; 0: as other threads
    :param cpus: numbers of the CPUs that they may run on; empty: any
    :param hold_up_ns: see vpm_engine_params
    :ivar lost: what it has to do without, in words; empty if nothing
    """

    def __init__(self, pool, threads=1, priority=0, cpus=(),
                 lock_memory=False, hold_up_ns=0):
        self._pool_handle = pool._open_handle()
        numbers = _ffi.new('uint32_t[]', list(cpus))
        params = _ffi.new('struct vpm_engine_params *', {
            'threads': threads, 'priority': priority, 'cpus': numbers,
            'cpu_count': len(cpus), 'lock_memory': lock_memory,
            'hold_up_ns': hold_up_ns})
        err, lost = vpm._error(), vpm._error()
        self._handle = vpm._owned(
            _lib.vpm_engine_open(self._pool_handle, params, lost, err),
            _lib.vpm_engine_close, err)
        self.lost = vpm._text(lost.message)
        self._threads = threads

    def write_back_by(self, pod):
        """Have the POD driver write CPU caches back before every marker.

        :param pod: its file descriptor, which stays open
        """
        _lib.vpm_engine_write_back_by(self._handle, pod)

    def describe(self):
        """Say in words how well it would do."""
        threads = '%d threads' % self._threads
        if self.lost:
            return '%s, but %s' % (threads, self.lost)
        return threads + ', with all that was asked for'

    def fire(self, event, deadline_ns):
        """Fixate all units that are armed; return at once, how many.

        :param event: power.PowerEvent
        :param deadline_ns: CLOCK_MONOTONIC
        """
        return _lib.vpm_engine_fire(self._handle, _event(event, deadline_ns))

    def wait_signal(self, number, raised_by=None, timeout_ns=0):
        """Wait for a signal, which all threads have blocked.

        :param raised_by: if it is given, all units are fired at once, in
                          this name, before Python knows
        :param timeout_ns: after which those that are not fixated are given up
        :returns: (wall_ns, monotonic_ns, process id of the sender)
        """
        received = _ffi.new('struct vpm_signal *')
        err = vpm._error()
        name = _ffi.NULL if raised_by is None else raised_by.encode()
        vpm._check(_lib.vpm_engine_wait_signal(
            self._handle, number, name, timeout_ns, received, err), err)
        return received.wall_ns, received.monotonic_ns, received.pid


class Unit:
    """What fixates one pVM; a context manager.

    :param engine: Engine
    :param id: of the region
    :param note: Note, which is written at the event
    """

    def __init__(self, engine, id, note):
        err = vpm._error()
        self._engine = engine
        self._note = note
        self._handle = vpm._owned(
            _lib.vpm_unit_open(engine._handle, id, note._handle, err),
            _lib.vpm_unit_close, err)

    def close(self):
        """Disarm it and give it up; harmless when done already."""
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def arm(self, *, qmp, stream, lock, pid, route, runstate, before='',
            producer='', priority=0):
        """Arm it for one fixation (see vpm_arming).

        :param qmp: socket of a QMP connection, or its file descriptor
        :param stream: file descriptor of a pipe whose other end QEMU has as
                       STREAM_NAME
        :param lock: file descriptor of the run lock, which stays open
        :param route: a key of ROUTES
        """
        err = vpm._error()
        arming = _ffi.new('struct vpm_arming *', {
            'qmp_fd': vpm._fileno(qmp), 'stream_fd': vpm._fileno(stream),
            'lock_fd': vpm._fileno(lock), 'pid': pid,
            'route': ROUTES[route], 'priority': priority,
            'runstate': runstate.encode(),
            'before': before.encode(), 'producer': producer.encode()})
        vpm._check(_lib.vpm_unit_arm(self._handle, arming, err), err)

    @property
    def armed(self):
        """Whether it is armed, and its QEMU there."""
        return _lib.vpm_unit_armed(self._handle)

    def disarm(self):
        """Take the arming back; return False if it was fired."""
        return _lib.vpm_unit_disarm(self._handle)

    def fire(self, event, deadline_ns):
        """Fixate it if it is armed; return whether it was."""
        return _lib.vpm_unit_fire(self._handle, _event(event, deadline_ns))

    def wait(self, deadline_ns=0):
        """Wait until it is done; return the Outcome, None if not fired.

        :param deadline_ns: CLOCK_MONOTONIC; 0 is none
        :raises: vpm.DeadlineExceeded
        """
        outcome = _ffi.new('struct vpm_outcome *')
        err = vpm._error()
        try:
            vpm._check(_lib.vpm_unit_wait(self._handle, deadline_ns, outcome,
                                          err), err)
        except vpm.NotFound:
            return None
        return _outcome(outcome)


def record(pool, outcome):
    """Add an Outcome to a pool's ring, durably."""
    native = _ffi.new('struct vpm_outcome *', dict(
        {field: getattr(outcome, field) for field in _NUMBERS},
        result=_RESULTS[outcome.result], route=ROUTES[outcome.route],
        name=outcome.name.encode(), runstate=outcome.runstate.encode(),
        raised_by=_join(outcome.raised_by),
        reason=_cut(outcome.reason, _lib.VPM_REASON_MAX)))
    pool._call(_lib.vpm_outcome_record, native)


def outcomes(pool):
    """Return all Outcomes in a pool's ring, the oldest first."""
    native = _ffi.new('struct vpm_outcome[]', _lib.VPM_OUTCOMES_MAX)
    found = _lib.vpm_outcome_list(pool._open_handle(), native,
                                  _lib.VPM_OUTCOMES_MAX)
    return [_outcome(native[i]) for i in range(found)]


_NUMBERS = ('wall_ns', 'signal_ns', 'command_ns', 'stopped_ns', 'stream_ns',
            'saved_ns', 'fixated_ns', 'region', 'length', 'pid')


def _outcome(native):
    return Outcome(
        name=vpm._text(native.name),
        result=_RESULT_NAMES.get(native.result, 'unknown'),
        sequence=native.sequence,
        route=_ROUTE_NAMES.get(native.route, 'unknown'),
        runstate=vpm._text(native.runstate),
        raised_by=_split(native.raised_by),
        reason=vpm._text(native.reason),
        **{field: getattr(native, field) for field in _NUMBERS})


def _event(event, deadline_ns):
    return _ffi.new('struct vpm_event *', {
        'wall_ns': event.wall_ns, 'monotonic_ns': event.monotonic_ns,
        'deadline_ns': max(0, deadline_ns),
        'raised_by': _join(event.raised_by)})


def _join(names):
    """As many names as there is room for."""
    text = ','.join(names).encode()
    if len(text) > _lib.VPM_RAISED_BY_MAX:
        text = text[:_lib.VPM_RAISED_BY_MAX + 1].rpartition(b',')[0]
    return text


def _split(names):
    return tuple(filter(None, vpm._text(names).split(',')))


def _cut(text, size):
    return text.encode()[:size].decode('utf-8', 'ignore').encode()
