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

"""Hands a pVM's QEMU over to the engine, for one fixation at a time.

While it is armed the engine has a QMP connection of its own, and may be fired
at any instant. So disarm it before anything that would get in its way.

The engine may have been given it by an earlier notifier, and has kept it armed
since.
"""

from collections import abc
import fcntl
import os

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import stopped_note
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality import vpm
from nova_temporality.vpm import engine as native
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock

# Bytes of the pipe between QEMU and the engine: a usual state fits, so that
# neither waits. It is the most that needs no privilege
# (/proc/sys/fs/pipe-max-size).
_PIPE_SIZE = 1 << 20
_SMALLEST_PIPE = 4096

_PIPE_PROBLEM = (
    'its pipe has %d KiB instead of %d, so its fixation takes longer: raise '
    'fs.pipe-user-pages-soft (sysctl) to 512 times the number of servers, or '
    'give the notifier CAP_SYS_RESOURCE')


class Arming:
    """The engine's unit for one pVM; there is none before open().

    :param engine: engine.Engine
    :param region: of its memory
    :param note: that it was stopped
    :param run_lock: of its memory
    :param on_changed: called when it is not armed any more, or not well, by
                       itself; by another thread; returns at once
    :ivar problem: why its fixation takes longer than it need, in words, with
                   the remedy; or None
    """

    def __init__(self, engine: native.Engine, region: vpm.RegionInfo,
                 note: stopped_note.StoppedNote,
                 run_lock: runlock.RunLock,
                 on_changed: abc.Callable[[], object]) -> None:
        self.problem: str | None = None
        self._engine = engine
        self._region = region
        self._note = note
        self._run_lock = run_lock
        self._on_changed = on_changed
        self._unit: native.Unit | None = None
        self._is_found = False
        self._is_inherited = False

    def find(self) -> bool:
        """Find out, once, what an earlier notifier has left in the engine.

        :returns: whether a fixation is under way
        :raises: vpm.EngineAway, vpm.VpmError
        """
        if self._is_found:
            return False
        if self._engine.has(self._region):
            self.open()
        self._is_found = True
        return (self._unit is not None and
                self._unit.info.state == native.UNDER_WAY)

    def open(self) -> None:
        """Open the state file ahead of need, if there is an engine.

        :raises: vpm.EngineAway, vpm.VpmError
        """
        try:
            self._open()
        except vpm.EngineAway as e:
            if not e.gone:
                raise

    def _open(self) -> native.Unit:
        if self._unit is not None:
            return self._unit
        unit = native.Unit(self._engine, self._region, self._note.file,
                           self._on_changed)
        if unit.lock_fd is not None:
            self._run_lock.adopt(unit.lock_fd)
        self._unit = unit
        self._is_inherited = unit.info.state == native.ARMED
        return unit

    def close(self) -> None:
        """Give the unit up, even if a fixation is under way."""
        if self._unit is not None:
            self._unit.close()

    @property
    def is_inherited(self) -> bool:
        """Whether it is armed, and that was done by an earlier notifier."""
        return self._is_inherited and self.armed

    def inherit(self, pid: int, priority: int) -> bool:
        """Keep what an earlier notifier has armed, if it is still right.

        :param pid: of the QEMU that is there
        :param priority: of the pVM
        :returns: whether it is; if not, it should be disarmed
        """
        assert self._unit is not None
        info = self._unit.info
        self._is_inherited = False
        return (info.state == native.ARMED and info.pid == pid and
                info.started == _started(pid) and info.priority == priority)

    def route(self) -> str:
        """Return the route that it was armed with last."""
        assert self._unit is not None
        return self._unit.info.route

    @property
    def armed(self) -> bool:
        """Whether it is armed, and was not fired."""
        return self._unit is not None and self._unit.armed

    @property
    def is_fired(self) -> bool:
        """Whether it was fired, and nobody has taken the outcome.

        :raises: vpm.EngineAway, unless there is no engine
        """
        return self._unit is not None and self._unit.fired

    def arm(self, qmp: qmp_module.QmpClient, timeout: float, *, route: str,
            priority: int, before: str = '') -> None:
        """Hand QEMU over to the engine, for one fixation.

        :param qmp: a connection for the engine alone; it is closed here, the
                    engine has it
        :param timeout: seconds for each of QEMU's answers
        :param route: how the state is to be written
        :param priority: of the pVM
        :param before: its run state before it was stopped for an earlier
                       event, if it was
        :raises: vpm.EngineAway, vpm.VpmError, qmp.QmpError
        """
        self._is_inherited = False
        try:
            unit = self._open()
            ours, theirs = os.pipe()
            try:
                self.problem = _enlarge(theirs)
                qmp.getfd(native.STREAM_NAME, theirs, timeout)
                while True:
                    runstate = migration.runstate(qmp, timeout)
                    # The engine must receive all that happens from now on.
                    if not qmp.unread:
                        break
                unit.arm(qmp=qmp, stream=ours, lock=self._run_lock,
                         pid=qmp.pid, started=_started(qmp.pid), route=route,
                         runstate=runstate, before=before,
                         producer='qemu ' + qmp.version, priority=priority)
            finally:
                os.close(ours)
                os.close(theirs)
        finally:
            qmp.close()

    def await_engine(self, timeout: float) -> None:
        """Wait for an engine that is just being started again.

        :param timeout: seconds
        """
        self._engine.wait_connected(timeout)

    def touch(self) -> None:
        """Have the engine write its state without a fault."""
        if self._unit is not None:
            self._unit.touch()

    def disarm(self) -> bool:
        """Take the arming back; return False if it was fired already."""
        self._is_inherited = False
        return self._unit is None or self._unit.disarm()

    def fire(self, event: power.PowerEvent, deadline_ns: int) -> bool:
        """Fire it if it is armed; return whether it was.

        :param deadline_ns: CLOCK_MONOTONIC
        """
        return (self._unit is not None and
                self._unit.fire(event, deadline_ns))

    def outcome(self) -> outcomes.Outcome | None:
        """Wait for the engine's outcome; None if it was not fired.

        It is also None when the engine has ended.
        """
        return self._unit.wait() if self._unit is not None else None

    def record(self, outcome: outcomes.Outcome) -> None:
        """Have the engine record an outcome that it had no part in.

        :raises: vpm.EngineAway, vpm.VpmError
        """
        self._engine.record(outcome)

    def drop_outcome(self) -> bool:
        """Drop the engine's outcome; return False if there is none yet."""
        assert self._unit is not None
        try:
            self._unit.wait(1)
        except vpm.DeadlineExceeded:
            return False
        return True


def _enlarge(pipe: int) -> str | None:
    """Make a pipe as large as may be; return what is wrong if it is small."""
    size = _PIPE_SIZE
    while size > _SMALLEST_PIPE:
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)
            break
        except PermissionError:
            size //= 2
    size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    if size >= _PIPE_SIZE:
        return None
    return _PIPE_PROBLEM % (size >> 10, _PIPE_SIZE >> 10)


def _started(pid: int) -> int:
    """Return when a process was started; 0 if it has ended.

    :returns: clock ticks since the host was booted
    """
    try:
        with open('/proc/%d/stat' % pid, encoding='utf-8',
                  errors='replace') as stat:
            # The name, in brackets, may hold anything.
            return int(stat.read().rpartition(')')[2].split()[19])
    except OSError:
        return 0
