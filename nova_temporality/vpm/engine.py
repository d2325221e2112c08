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

native/include/vpm.h describes what it does, and what may be called when. All
calls release the GIL, and the engine's threads never need it.
"""

from collections import abc
import dataclasses
import os
from typing import Any
from typing import Protocol
from typing import Self

from nova_temporality.vpm import errors
from nova_temporality.vpm import handles
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import pool as pool_module

_ffi = handles.ffi
_lib = handles.lib

# The name under which QEMU is given what it saves to.
STREAM_NAME: str = _ffi.string(_lib.VPM_STREAM_NAME).decode()


@dataclasses.dataclass(frozen=True)
class Stopped:
    """A pVM that was stopped, and why.

    :ivar pid: of the QEMU that was stopped
    :ivar runstate: its run state before
    :ivar raised_by: see Event
    """

    pid: int
    runstate: str
    raised_by: tuple[str, ...]


class Event(Protocol):
    """A power failure; the notifier's power.PowerEvent is one."""

    @property
    def wall_ns(self) -> int:
        """When it was detected, in nanoseconds since 1970."""

    @property
    def monotonic_ns(self) -> int:
        """When it was detected, in nanoseconds of CLOCK_MONOTONIC."""

    @property
    def raised_by(self) -> tuple[str, ...]:
        """Names of the sources that reported it."""


class Note:
    """A file that says that one pVM was stopped."""

    def __init__(self, path: str) -> None:
        err = handles.new_error()
        self._handle = handles.owned(
            _lib.vpm_note_open(os.fsencode(path), err),
            _lib.vpm_note_close, err)

    def read(self) -> Stopped | None:
        """Return what it says, if there is one."""
        stopped = _ffi.new('struct vpm_stopped *')
        if not _lib.vpm_note_read(self._handle, stopped):
            return None
        return Stopped(stopped.pid, handles.text(stopped.runstate),
                       outcomes.split(stopped.raised_by))

    def write(self, stopped: Stopped | None) -> None:
        """Replace it in one piece; None forgets it."""
        fields = {} if stopped is None else {
            'pid': stopped.pid, 'runstate': stopped.runstate.encode(),
            'raised_by': outcomes.join(stopped.raised_by)}
        _lib.vpm_note_write(self._handle,
                            _ffi.new('struct vpm_stopped *', fields))


class Engine:
    """The threads that fixate all pVMs of a pool.

    :param pool: whose pVMs
    :param threads: how many
    :param priority: of SCHED_FIFO; 0: as other threads
    :param cpus: numbers of the CPUs that they may run on; empty: any
    :param hold_up_ns: see vpm_engine_params
    :ivar lost: what it has to do without, in words; empty if nothing
    """

    def __init__(self, pool: pool_module.Pool, threads: int = 1,
                 priority: int = 0, cpus: abc.Sequence[int] = (),
                 lock_memory: bool = False, hold_up_ns: int = 0) -> None:
        self._pool_handle = pool.handle()
        numbers = _ffi.new('uint32_t[]', list(cpus))
        params = _ffi.new('struct vpm_engine_params *', {
            'threads': threads, 'priority': priority, 'cpus': numbers,
            'cpu_count': len(cpus), 'lock_memory': lock_memory,
            'hold_up_ns': hold_up_ns})
        err, lost = handles.new_error(), handles.new_error()
        self._handle = handles.owned(
            _lib.vpm_engine_open(self._pool_handle, params, lost, err),
            _lib.vpm_engine_close, err)
        self.lost = handles.text(lost.message)
        self._threads = threads

    def write_back_by(self, pod: int) -> None:
        """Have the POD driver write CPU caches back before every marker.

        :param pod: its file descriptor, which stays open
        """
        _lib.vpm_engine_write_back_by(self._handle, pod)

    def describe(self) -> str:
        """Say in words what it has to work with."""
        threads = '%d threads' % self._threads
        if self.lost:
            return '%s, but %s' % (threads, self.lost)
        return threads + ', with all that was asked for'

    def fire(self, event: Event, deadline_ns: int) -> int:
        """Fixate all units that are armed; return at once, how many.

        :param deadline_ns: CLOCK_MONOTONIC
        """
        return _lib.vpm_engine_fire(self._handle, _event(event, deadline_ns))

    def wait_signal(self, number: int, raised_by: str | None = None,
                    timeout_ns: int = 0) -> tuple[int, int, int]:
        """Wait for a signal. All threads must have blocked it.

        :param raised_by: if it is given, all units are fired at once, in
                          this name, before Python knows
        :param timeout_ns: after which those that are not fixated are given up
        :returns: (wall_ns, monotonic_ns, process id of the sender)
        """
        received = _ffi.new('struct vpm_signal *')
        err = handles.new_error()
        name = _ffi.NULL if raised_by is None else raised_by.encode()
        handles.check(_lib.vpm_engine_wait_signal(
            self._handle, number, name, timeout_ns, received, err), err)
        return received.wall_ns, received.monotonic_ns, received.pid


class Unit:
    """What fixates one pVM; a context manager.

    :param engine: that does it
    :param id: of the region
    :param note: that is written at the event
    """

    def __init__(self, engine: Engine, id: int, note: Note) -> None:
        err = handles.new_error()
        self._engine = engine
        self._note = note
        self._handle = handles.owned(
            _lib.vpm_unit_open(engine._handle, id, note._handle, err),
            _lib.vpm_unit_close, err)

    def close(self) -> None:
        """Disarm it and give it up; harmless when done already."""
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def arm(self, *, qmp: int | handles.HasFileno,
            stream: int | handles.HasFileno, lock: int | handles.HasFileno,
            pid: int, route: str, runstate: str, before: str = '',
            producer: str = '', priority: int = 0) -> None:
        """Arm it for one fixation (see vpm_arming).

        :param qmp: socket of a QMP connection, or its file descriptor
        :param stream: file descriptor of a pipe whose other end QEMU has as
                       STREAM_NAME
        :param lock: file descriptor of the run lock, which stays open
        :param route: a key of ROUTES
        """
        err = handles.new_error()
        arming = _ffi.new('struct vpm_arming *', {
            'qmp_fd': handles.fileno(qmp), 'stream_fd': handles.fileno(stream),
            'lock_fd': handles.fileno(lock), 'pid': pid,
            'route': outcomes.ROUTES[route], 'priority': priority,
            'runstate': runstate.encode(),
            'before': before.encode(), 'producer': producer.encode()})
        handles.check(_lib.vpm_unit_arm(self._handle, arming, err), err)

    @property
    def armed(self) -> bool:
        """Whether it is armed, and its QEMU there."""
        return _lib.vpm_unit_armed(self._handle)

    def disarm(self) -> bool:
        """Take the arming back; return False if it was fired."""
        return _lib.vpm_unit_disarm(self._handle)

    def fire(self, event: Event, deadline_ns: int) -> bool:
        """Fixate it if it is armed; return whether it was."""
        return _lib.vpm_unit_fire(self._handle, _event(event, deadline_ns))

    def wait(self, deadline_ns: int = 0) -> outcomes.Outcome | None:
        """Wait until it is done; return None if it was not fired.

        :param deadline_ns: CLOCK_MONOTONIC; 0 is none
        :raises: vpm.DeadlineExceeded
        """
        outcome = _ffi.new('struct vpm_outcome *')
        err = handles.new_error()
        try:
            handles.check(_lib.vpm_unit_wait(
                self._handle, deadline_ns, outcome, err), err)
        except errors.NotFound:
            return None
        return outcomes.from_native(outcome)


def _event(event: Event, deadline_ns: int) -> Any:
    return _ffi.new('struct vpm_event *', {
        'wall_ns': event.wall_ns, 'monotonic_ns': event.monotonic_ns,
        'deadline_ns': max(0, deadline_ns),
        'raised_by': outcomes.join(event.raised_by)})
