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

"""The fixation engine, a process of its own, as its client sees it.

native/include/vpm.h describes what it does with its units, and
native/include/protocol.h how it is asked. Units belong to the engine: they
stay armed when this process ends, and the next one finds them again.
"""

from collections import abc
import contextlib
import dataclasses
import os
import queue
import signal
import threading
import time
from typing import Any
from typing import Protocol
from typing import Self

from oslo_log import log as logging

from nova_temporality.vpm import errors
from nova_temporality.vpm import handles
from nova_temporality.vpm import link
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import pool as pool_module

LOG = logging.getLogger(__name__)

_ffi = handles.ffi
_lib = handles.lib

# Seconds until an outcome is asked for again, in case that nobody told.
_ASK_AGAIN = 0.5

ARMED: int = _lib.VPM_UNIT_ARMED
UNDER_WAY: int = _lib.VPM_UNIT_UNDER_WAY
SETTLED: int = _lib.VPM_UNIT_SETTLED

# The papers' POD signal. It is SIGRTMIN+10 as glibc and Python count.
POD_SIGNAL: int = _lib.VPM_POD_SIGNAL
# Signals that the engine takes.
SIGNALS = (POD_SIGNAL, signal.SIGPWR)

# Devices that the engine watches.
POD_DEVICE: int = _lib.VPM_DEVICE_POD
GPIO_DEVICE: int = _lib.VPM_DEVICE_GPIO
DEVICES = tuple(range(_lib.VPM_DEVICES))
DEVICE_PATH_MAX: int = _lib.VPM_DEVICE_PATH_MAX

# What devices say.
LOST: int = _lib.VPM_LEVEL_LOST
GOOD: int = _lib.VPM_LEVEL_GOOD
WARN: int = _lib.VPM_LEVEL_WARN
COMMIT: int = _lib.VPM_LEVEL_COMMIT

_Signals = queue.SimpleQueue[tuple[int, int, int]]

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


@dataclasses.dataclass(frozen=True)
class Watched:
    """A device that the engine watches.

    :ivar number: one of DEVICES
    :ivar path: of the device; empty: it is not watched
    :ivar signal: that the POD driver sends, too; 0: none
    :ivar gpio_line: offset of a line on the GPIO chip
    :ivar gpio_active_low: whether it is active when it is low
    :ivar gpio_debounce_us: how long a level must last before the kernel tells
                            it
    """

    number: int
    path: str
    signal: int = 0
    gpio_line: int = 0
    gpio_active_low: bool = False
    gpio_debounce_us: int = 0


@dataclasses.dataclass(frozen=True)
class Rule:
    """What the engine does when a device says that power fails.

    :ivar raised_by: in whose name all units are fired; None: none is
    :ivar debounce_ns: how long the device must say so; not if that is about
                       an instant only
    :ivar timeout_ns: after which those that are not fixated are given up
    """

    raised_by: str | None = None
    debounce_ns: int = 0
    timeout_ns: int = 0


@dataclasses.dataclass(frozen=True)
class Word:
    """What a device said.

    :ivar level: LOST, GOOD, WARN or COMMIT
    :ivar momentary: whether it is about an instant, not about a condition
    :ivar detail: in words
    """

    level: int
    wall_ns: int
    monotonic_ns: int
    momentary: bool
    detail: str


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

    def fileno(self) -> int:
        """Return the file descriptor of the file."""
        return _lib.vpm_note_fd(self._handle)


@dataclasses.dataclass(frozen=True)
class UnitInfo:
    """A unit of the engine (see vpm_unit_info).

    :ivar region: its id
    :ivar created_ns: of the region
    :ivar started: when QEMU was, as arm() was told
    :ivar state: ARMED, UNDER_WAY or another one
    :ivar pid: of QEMU
    :ivar route: a key of outcomes.ROUTES
    """

    region: int
    created_ns: int
    started: int
    state: int
    pid: int
    route: str
    priority: int


class Engine:
    """Asks the engine's process; all methods may be called by any thread.

    :param run_dir: [temporality] run_dir
    :ivar on_changed: called in a thread of its own whenever the engine came
                      or went; set by who wants to know
    :ivar lost: what it has to do without, in words; empty if nothing
    """

    def __init__(self, run_dir: str) -> None:
        self.lost = ''
        self.on_changed: abc.Callable[[], object] = lambda: None
        self._threads = 0
        self._signals: dict[int, _Signals] = {
            number: queue.SimpleQueue() for number in SIGNALS}
        self._rules: dict[int, link.Request] = {}
        self._words: dict[int, queue.SimpleQueue[Word]] = {
            number: queue.SimpleQueue() for number in DEVICES}
        self._watched: dict[int, link.Request] = {}
        self._pod: int | None = None
        # Who waits for the outcome of a region's unit.
        self._settled: dict[int, threading.Event] = {}
        # Whom news of a region's unit concern.
        self._lookers: dict[int, abc.Callable[[], object]] = {}
        self._link = link.Link(run_dir, self._greeting, self._on_greeted,
                               self._on_news, self._tell_changed)

    @property
    def problem(self) -> str | None:
        """Why the engine is not there, in words; None if it is."""
        return self._link.problem

    @property
    def generation(self) -> int:
        """A number that changes whenever the engine was away."""
        return self._link.generation

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the engine is there; return whether it is.

        :param timeout: seconds
        """
        return self._link.wait_connected(timeout)

    def write_back_by(self, pod: int) -> None:
        """Have the POD driver write CPU caches back before every marker.

        An engine that is started later is told, too, before it is asked
        anything else.

        :param pod: its file descriptor, which stays open
        """
        self._pod = pod
        try:
            self.ask(_lib.VPM_REQUEST_WRITE_BACK, (pod,))
        except errors.EngineAway:
            pass  # it hears that first of all
        except errors.VpmError:
            self._pod = None
            raise

    def describe(self) -> str:
        """Say in words what it has to work with."""
        if self.problem:
            return 'away: ' + self.problem
        threads = '%d threads' % self._threads
        if self.lost:
            return '%s, but %s' % (threads, self.lost)
        return threads + ', with all that was asked for'

    def fire(self, event: Event, deadline_ns: int) -> int:
        """Fixate all units that are armed; return at once, how many.

        :param deadline_ns: CLOCK_MONOTONIC
        :raises: EngineAway
        """
        return self.ask(_lib.VPM_REQUEST_FIRE_ALL,
                        event=_event(event, deadline_ns)).said.count

    def fire_on_signal(self, number: int, raised_by: str | None,
                       timeout_ns: int) -> None:
        """Have all units fired at a signal, before anybody here knows.

        An engine that is started later is told, too.

        :param number: one of SIGNALS
        :param raised_by: in whose name; None: they are not to be fired
        :param timeout_ns: after which those that are not fixated are given up
        """
        self._rules[number] = link.Request(_lib.VPM_REQUEST_ON_SIGNAL, (), {
            'number': number, 'event': {
                'raised_by': outcomes.join([raised_by] if raised_by else []),
                'deadline_ns': timeout_ns}})
        # It is said whenever the engine is connected to.
        with contextlib.suppress(errors.EngineAway):
            self._link.ask(self._rules[number])

    def wait_signal(self, number: int) -> tuple[int, int, int]:
        """Wait until the engine has got a signal.

        :param number: one of SIGNALS
        :returns: (wall_ns, monotonic_ns, process id of the sender)
        """
        return self._signals[number].get()

    def forward_signal(self, number: int, pid: int) -> None:
        """Pass a signal on that came to this process.

        :param number: one of SIGNALS
        :param pid: of the sender
        """
        try:
            self.ask(_lib.VPM_REQUEST_SIGNAL, number=number, pid=pid)
        except errors.EngineAway:
            # It is news all the same.
            self._signals[number].put(
                (time.time_ns(), time.monotonic_ns(), pid))

    def watch(self, device: Watched, rule: Rule) -> None:
        """Have a device watched, whether this process runs or not.

        An engine that is started later is told, too.
        """
        self._watched[device.number] = request = link.Request(
            _lib.VPM_REQUEST_WATCH, (), {'number': device.number, 'watch': {
                'path': os.fsencode(device.path), 'signal': device.signal,
                'gpio_line': device.gpio_line,
                'gpio_active_low': device.gpio_active_low,
                'gpio_debounce_us': device.gpio_debounce_us,
                'raised_by': outcomes.join(
                    [rule.raised_by] if rule.raised_by else []),
                'debounce_ns': rule.debounce_ns,
                'timeout_ns': rule.timeout_ns}})
        # It is said whenever the engine is connected to.
        with contextlib.suppress(errors.EngineAway):
            self._link.ask(request)

    def wait_word(self, number: int, timeout: float) -> Word | None:
        """Wait until a device says something; return None if it does not.

        :param number: one of DEVICES
        :param timeout: seconds
        """
        try:
            return self._words[number].get(timeout=timeout)
        except queue.Empty:
            return None

    def heard_ns(self, number: int) -> int:
        """Return when a device was heard last (CLOCK_REALTIME), or 0.

        :param number: one of DEVICES
        :raises: EngineAway
        """
        wall_ns: int = self.ask(_lib.VPM_REQUEST_HEARD,
                                number=number).said.word.wall_ns
        return wall_ns

    def acknowledge(self) -> None:
        """Tell the POD driver that all is saved; twice is not an error.

        :raises: EngineAway; SystemCallFailed if the driver does not take it
        """
        self.ask(_lib.VPM_REQUEST_ACKNOWLEDGE)

    def record(self, outcome: outcomes.Outcome) -> None:
        """Add an Outcome to the pool's ring, durably.

        The engine alone writes to it.

        :raises: EngineAway
        """
        self.ask(_lib.VPM_REQUEST_RECORD, outcome=outcomes.to_native(outcome))

    def units(self) -> list[UnitInfo]:
        """Return all units that there are.

        :raises: EngineAway
        """
        found: list[UnitInfo] = []
        while True:
            try:
                said = self.ask(_lib.VPM_REQUEST_LIST, region=(
                    found[-1].region if found else 0)).said
            except errors.NotFound:
                return found
            found.append(_unit_info(said))

    def has(self, region: pool_module.RegionInfo) -> bool:
        """Whether there is a unit for this very region.

        :raises: EngineAway, unless there is no engine
        """
        try:
            self.ask(_lib.VPM_REQUEST_LOOK, region=region.id,
                     created_ns=region.created_ns)
        except errors.NotFound:
            return False
        except errors.EngineAway as e:
            return _unless_gone(e, False)
        return True

    def forget(self, region: int, created_ns: int) -> None:
        """Disarm a unit and give it up; harmless when there is none.

        :param region: its id
        :param created_ns: of the region
        :raises: EngineAway
        """
        with contextlib.suppress(errors.NotFound):
            self.ask(_lib.VPM_REQUEST_CLOSE, region=region,
                     created_ns=created_ns)

    def ask(self, kind: int, fds: tuple[int, ...] = (),
            **fields: Any) -> link.Answer:
        """Ask for something; for this module.

        :raises: EngineAway; VpmError if the answer is one
        """
        return self._link.ask(link.Request(kind, fds, fields))

    def settled(self, region: int) -> threading.Event:
        """Return what is set when a unit may have settled; for this module."""
        return self._settled.setdefault(region, threading.Event())

    def look_by(self, region: int,
                looker: abc.Callable[[], object]) -> None:
        """Say who looks at a unit when something is wrong; for this module.

        :param looker: called by the connection's thread; returns at once
        """
        self._lookers[region] = looker

    def look_no_more_by(self, region: int,
                        looker: abc.Callable[[], object]) -> None:
        """Take that back, unless it is somebody else's task by now."""
        if self._lookers.get(region) == looker:
            del self._lookers[region]

    # For the connection's thread.

    def _greeting(self) -> list[link.Request]:
        first = [link.Request(_lib.VPM_REQUEST_HELLO)]
        if self._pod is not None:
            first.append(link.Request(_lib.VPM_REQUEST_WRITE_BACK,
                                      (self._pod,)))
        return [*first, *self._rules.values(), *self._watched.values(),
                link.Request(_lib.VPM_REQUEST_LISTEN)]

    def _on_greeted(self, answers: list[link.Answer]) -> None:
        hello = answers[0].said
        self._threads = hello.count
        self.lost = handles.text(hello.message)
        if self.lost:
            LOG.warning('The engine may be late: %s', self.lost)
        self._tell_changed()

    def _tell_changed(self) -> None:
        threading.Thread(target=self.on_changed, daemon=True,
                         name='engine-changed').start()

    def _on_news(self, said: Any) -> None:
        if said.kind == _lib.VPM_NEWS_SETTLED:
            self.settled(said.unit.region).set()
        elif said.kind == _lib.VPM_NEWS_LOOK:
            self._lookers.get(said.unit.region, lambda: None)()
        elif said.kind == _lib.VPM_NEWS_SIGNAL:
            self._signals[said.signal.number].put((
                said.signal.wall_ns, said.signal.monotonic_ns,
                said.signal.pid))
        elif said.kind == _lib.VPM_NEWS_WORD:
            self._words[said.word.device].put(_word_of(said.word))


class Unit:
    """What fixates one pVM; a context manager.

    If the engine has one for this region already, it stays as it is. If the
    engine is replaced by another one, that has this unit, too; but not armed
    if the engine had ended.

    :param engine: that does it
    :param region: of the pVM
    :param note: that is written at the event
    :param on_changed: called when its QEMU has ended while it was armed, or
                       its memory has an error; see Engine.look_by()
    :raises: EngineAway, VpmError
    :ivar lock_fd: file descriptor of the run lock that an earlier process
                   armed it with, whoever takes it; or None
    """

    def __init__(self, engine: Engine, region: pool_module.RegionInfo,
                 note: Note,
                 on_changed: abc.Callable[[], object] = lambda: None) -> None:
        self._engine = engine
        self._region = region
        self._note = note
        self._settled = engine.settled(region.id)
        self.lock_fd: int | None = None
        self._generation = -1
        self._closed = False
        self.lock_fd = self._open().fd
        self._on_changed = on_changed
        engine.look_by(region.id, on_changed)

    def close(self) -> None:
        """Disarm it and give it up; harmless when done already."""
        if self._closed:
            return
        self._closed = True
        self._engine.look_no_more_by(self._region.id, self._on_changed)
        try:
            self._engine.forget(self._region.id, self._region.created_ns)
        except errors.EngineAway as e:
            if not e.gone:
                LOG.warning('A unit of %s stays: %s', self._region.name, e)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def arm(self, *, qmp: int | handles.HasFileno,
            stream: int | handles.HasFileno, lock: int | handles.HasFileno,
            pid: int, route: str, runstate: str, started: int = 0,
            before: str = '', producer: str = '', priority: int = 0) -> None:
        """Arm it for one fixation (see vpm_arming).

        :param qmp: socket of a QMP connection, or its file descriptor
        :param stream: file descriptor of a pipe whose other end QEMU has as
                       STREAM_NAME
        :param lock: file descriptor of the run lock
        :param route: a key of outcomes.ROUTES
        :param started: tells this QEMU from another one of the same pid
        :raises: EngineAway, VpmError
        """
        fds = (handles.fileno(qmp), handles.fileno(stream),
               handles.fileno(lock))
        arming = {'pid': pid, 'route': outcomes.ROUTES[route],
                  'priority': priority, 'runstate': _word(runstate),
                  'before': _word(before), 'producer': _word(producer)}
        self._reopen()
        self._settled.clear()
        try:
            self._ask(_lib.VPM_REQUEST_ARM, fds, started=started,
                      arming=arming)
        except errors.NotFound:
            # An engine that takes over loses what it has no descriptors for.
            self._open().drop_fd()
            self._ask(_lib.VPM_REQUEST_ARM, fds, started=started,
                      arming=arming)

    @property
    def info(self) -> UnitInfo:
        """How it is.

        :raises: EngineAway
        """
        return _unit_info(self._ask(_lib.VPM_REQUEST_LOOK).said)

    @property
    def armed(self) -> bool:
        """Whether it is armed, and its QEMU there.

        :raises: EngineAway, unless there is no engine
        """
        return self._is_in(ARMED)

    @property
    def fired(self) -> bool:
        """Whether it was fired, and nobody has taken the outcome.

        :raises: EngineAway, unless there is no engine
        """
        return self._is_in(UNDER_WAY, SETTLED)

    def _is_in(self, *states: int) -> bool:
        try:
            return self.info.state in states
        except errors.NotFound:
            return False
        except errors.EngineAway as e:
            return _unless_gone(e, False)

    def touch(self) -> None:
        """Make its state file writable without a fault, once more.

        :raises: EngineAway, unless there is no engine; SystemCallFailed if
                 its memory has an error
        """
        try:
            # Each request takes so little that no other one waits long.
            while not self._ask(_lib.VPM_REQUEST_TOUCH).said.count:
                pass
        except errors.NotFound:
            pass
        except errors.EngineAway as e:
            _unless_gone(e, None)

    def disarm(self) -> bool:
        """Take the arming back; return False if it was fired.

        :raises: EngineAway, unless there is no engine
        """
        try:
            return bool(self._ask(_lib.VPM_REQUEST_DISARM).said.count)
        except errors.NotFound:
            return True
        except errors.EngineAway as e:
            return _unless_gone(e, True)

    def fire(self, event: Event, deadline_ns: int) -> bool:
        """Fixate it if it is armed; return whether it was.

        :raises: EngineAway, unless there is no engine
        """
        try:
            return bool(self._ask(
                _lib.VPM_REQUEST_FIRE,
                event=_event(event, deadline_ns)).said.count)
        except errors.NotFound:
            return False
        except errors.EngineAway as e:
            return _unless_gone(e, False)

    def wait(self, deadline_ns: int = 0) -> outcomes.Outcome | None:
        """Wait until it is done; return None if it was not fired.

        That is also so when the engine has ended since.

        :param deadline_ns: CLOCK_MONOTONIC; 0 is none
        :raises: vpm.DeadlineExceeded; EngineAway, unless there is no engine
        """
        while True:
            self._settled.clear()
            try:
                said = self._ask(_lib.VPM_REQUEST_TAKE).said
                # Its members live as long as it does.
                return outcomes.from_native(said.outcome)
            except errors.NotFound:
                return None
            except errors.EngineAway as e:
                return _unless_gone(e, None)
            except errors.DeadlineExceeded:
                left = _ASK_AGAIN
                if deadline_ns:
                    left = min(left, (deadline_ns - time.monotonic_ns()) / 1e9)
                if left <= 0:
                    raise
                self._settled.wait(left)

    def _open(self) -> link.Answer:
        self._generation = self._engine.generation
        return self._ask(_lib.VPM_REQUEST_OPEN, (self._note.fileno(),))

    def _reopen(self) -> None:
        """Make sure that the present engine has it."""
        if self._generation != self._engine.generation:
            # We have the run lock already.
            self._open().drop_fd()

    def _ask(self, kind: int, fds: tuple[int, ...] = (),
             **fields: Any) -> link.Answer:
        return self._engine.ask(kind, fds, region=self._region.id,
                                created_ns=self._region.created_ns, **fields)


def disarm(run_dir: str, region: pool_module.RegionInfo) -> None:
    """Take back what a notifier has armed, whether or not one runs.

    :param run_dir: [temporality] run_dir
    :raises: EngineAway, unless there is no engine
    """
    try:
        link.ask_once(run_dir, link.Request(_lib.VPM_REQUEST_DISARM, (), {
            'region': region.id, 'created_ns': region.created_ns}))
    except errors.NotFound:
        pass
    except errors.EngineAway as e:
        _unless_gone(e, None)


def _unless_gone(error: errors.EngineAway, value: Any) -> Any:
    """Return what holds if no engine is there; else raise."""
    if error.gone:
        return value
    raise error


def _word(said: str) -> bytes:
    """Return a word of QEMU's, or about it, as the engine takes it.

    :raises: InvalidArgument
    """
    if (not said.isascii() or (said and not said.isprintable()) or
            len(said) > _lib.VPM_RUNSTATE_MAX):
        raise errors.InvalidArgument(
            'QEMU says %.100a where a word of %d characters at most is '
            'expected' % (said, _lib.VPM_RUNSTATE_MAX))
    return said.encode()


def _word_of(said: Any) -> Word:
    return Word(said.level, said.wall_ns, said.monotonic_ns,
                bool(said.momentary), handles.text(said.detail))


def _unit_info(said: Any) -> UnitInfo:
    # Its members live as long as it does.
    unit = said.unit
    return UnitInfo(route=outcomes.route_name(unit.route),
                    **handles.numbers(unit, 'region', 'created_ns', 'started',
                                      'state', 'pid', 'priority'))


def _event(event: Event, deadline_ns: int) -> dict[str, Any]:
    return {'wall_ns': event.wall_ns, 'monotonic_ns': event.monotonic_ns,
            'deadline_ns': max(0, deadline_ns),
            'raised_by': outcomes.join(event.raised_by)}
