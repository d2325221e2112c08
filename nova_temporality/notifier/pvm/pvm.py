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

"""What the notifier knows about one pVM, and does with it.

Every pVM has a thread of its own, which looks after its QEMU while power is
good and after the event: a QEMU that hangs keeps no other pVM waiting. The
event itself belongs to the engine, for which a pVM is armed (arming.py). While
it is armed and all is as it was, its thread sleeps, and rounds.py asks QEMU.
connection.py reaches QEMU, inspector.py finds out what condition it is in,
and fixator.py waits for the engine or makes up for what it lacks.
"""

from collections import abc
import concurrent.futures
import dataclasses
import threading
import time
from typing import Any

from oslo_log import log as logging

from nova_temporality.notifier import persistence_domain
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import arming
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import connection
from nova_temporality.notifier.pvm import copying
from nova_temporality.notifier.pvm import disks
from nova_temporality.notifier.pvm import fixator
from nova_temporality.notifier.pvm import inspector
from nova_temporality.notifier.pvm import nvdimms
from nova_temporality.notifier.pvm import rounds
from nova_temporality.notifier.pvm import stopped_note
from nova_temporality.notifier.pvm import waves
from nova_temporality.notifier.pvm import worker
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.qemu import route
from nova_temporality import vpm
from nova_temporality.vpm import engine as native
from nova_temporality.vpm import runlock

LOG = logging.getLogger(__name__)

RESUMED = 'resumed'

_SUSPENDED = 'it is suspended, and its QEMU still ends'

# Seconds for QEMU to end until the log says that it still does.
_TELL_SECONDS = 10.0

# Seconds that one of a drill stands still, at most, for the others' sake.
_QUIET_SECONDS = 0.5

# Seconds between two looks at one that rests. Whatever concerns it is told: by
# QEMU, the engine, nova-compute or the rounds.
_REST_SECONDS = 60.0


class NotFixated(Exception):
    """A pVM could not be fixated, so what was to follow is not done."""


class PowerFailedAgain(Exception):
    """A call-off was not begun, because the next fixation waits already."""

    def __init__(self) -> None:
        super().__init__('power failed again')


@dataclasses.dataclass(frozen=True)
class DrillResult:
    """What came of a drill of one pVM.

    :ivar state: as it was proven, or None
    :ivar resumed: what was done to let it run on, see Pvm.resume()
    """

    state: vpm.StateInfo | None
    resumed: str | None


class Pvm:
    """One pVM. The public methods return at once.

    :param pool: that has its memory
    :param engine: that fixates it
    :param region: of its memory
    :param run_dir: [temporality] run_dir
    :param check_interval: seconds between two looks at its QEMU, but while
                           it rests
    :param platform: whether CPU caches survive
    :param rounds: of all pVMs
    """

    def __init__(self, pool: vpm.Pool, engine: native.Engine,
                 region: vpm.RegionInfo, run_dir: str, check_interval: float,
                 platform: persistence_domain.Platform,
                 rounds: rounds.Rounds) -> None:
        self.region = region
        self.name = region.name
        self._pool = pool
        self._note = stopped_note.StoppedNote(run_dir, region.name)
        self._run_lock = runlock.RunLock(region)
        self._arming = arming.Arming(engine, region, self._note,
                                     self._run_lock, self._on_changed)
        self._qemu = connection.Qemu(region, run_dir, self._arming, rounds)
        self._inspector = inspector.Inspector(
            pool, region, self._qemu, self._note, self._run_lock, platform,
            run_dir)
        self._fixator = fixator.Fixator(
            region, self._qemu, self._arming, self._inspector, self._note,
            self._run_lock)
        self._nvdimms = nvdimms.Counters(pool, region, platform)
        self._condition = conditions.Condition(conditions.OFF)
        # Fixations that were requested, and begun, so far.
        self._requested = 0
        self._begun = 0
        self._is_left = False
        # Whether all was as it was at the latest look.
        self._may_rest = False
        # Its QEMU, once it is suspended and was told to end.
        self._ending: connection.Ending | None = None
        self._check_interval = check_interval
        self._worker = worker.Worker('pvm-' + region.name, self._check,
                                     self._interval, self._end_work)

    # For other threads.

    @property
    def condition(self) -> conditions.Condition:
        """The latest Condition."""
        return self._condition

    @property
    def raised_by(self) -> tuple[str, ...]:
        """Who had it stopped, as far as that is known."""
        return self._inspector.raised_by

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self._worker.is_alive

    @property
    def hangs(self) -> bool:
        """Whether its thread does not come back from what it does."""
        return self._worker.hangs

    @property
    def priority(self) -> int:
        """Its priority, as its latest QEMU was given."""
        return self._qemu.priority

    @property
    def pid(self) -> int:
        """The process id of its QEMU, as far as it is known; else 0."""
        return self._qemu.pid

    def check(self) -> concurrent.futures.Future[None]:
        """Look at QEMU now."""
        return self._worker.submit(self._check)

    def fixate(self, event: power.PowerEvent,
               deadline_ns: int) -> attempts.Attempt:
        """Fixate it, unless the engine does already.

        :param deadline_ns: CLOCK_MONOTONIC
        """
        attempt = self._request(event, deadline_ns)
        self._worker.submit(self._on_fixate, attempt)
        return attempt

    def drill(self, event: power.PowerEvent, deadline_ns: int,
              wave: waves.Wave, all_settled: threading.Event
              ) -> tuple[attempts.Attempt,
                         concurrent.futures.Future[DrillResult]]:
        """Fixate it in its wave, verify the state and let it run on.

        :param deadline_ns: CLOCK_MONOTONIC
        :param all_settled: set when nobody of the drill is fixated any more
        :returns: the Attempt, and the result. The Future raises what that of
                  resume() raises, and vpm.Unproven when the state could not
                  be verified
        """
        attempt = self._request(event, deadline_ns)
        return attempt, self._worker.submit(
            self._drill, attempt, wave, all_settled)

    def suspend(self, event: power.PowerEvent, deadline_ns: int
                ) -> tuple[attempts.Attempt, concurrent.futures.Future[
                    abc.Callable[[], None]]]:
        """Fixate it and end its QEMU; if that fails, let it run on.

        :param deadline_ns: CLOCK_MONOTONIC
        :returns: the Attempt, and a Future, which raises what went wrong. Its
                  result waits for the end of QEMU, whatever that takes, when
                  it is called: from then on nothing goes wrong any more
        """
        attempt = self._request(event, deadline_ns)
        return attempt, self._worker.submit(self._suspend, attempt)

    def snapshot(self, event: power.PowerEvent, deadline_ns: int,
                 copy: copying.Copy
                 ) -> tuple[attempts.Attempt,
                            concurrent.futures.Future[
                                abc.Mapping[str, Any]]]:
        """Fixate it, have it copied while it stands still, let it run on.

        :param deadline_ns: CLOCK_MONOTONIC
        :param copy: called in a thread of its own
        :returns: the Attempt, and a Future of what copy() returned; it raises
                  what went wrong, CopyInterrupted if another fixation came
        """
        attempt = self._request(event, deadline_ns)
        return attempt, self._worker.submit(self._snapshot, attempt, copy)

    def resume(self) -> concurrent.futures.Future[str | None]:
        """Call the fixation off.

        :returns: what was done in words, None when nothing; the Future raises
                  what went wrong, PowerFailedAgain if the next fixation was
                  requested before
        """
        return self._worker.submit(self._resume)

    def end(self) -> concurrent.futures.Future[bool]:
        """End its QEMU if that would lose nothing.

        :returns: whether QEMU was fixated and has ended
        """
        return self._worker.submit(self._end)

    def close(self) -> None:
        """Disarm it, leave QEMU as it is, and end the thread."""
        self._worker.close()

    def leave(self) -> None:
        """Leave it to the engine and the next notifier; end the thread."""
        self._is_left = True
        self._worker.close()

    def _on_changed(self) -> None:
        """Something has happened to it, whatever it is."""
        self._worker.submit(self._check_changed)

    def _request(self, event: power.PowerEvent,
                 deadline_ns: int) -> attempts.Attempt:
        self._requested += 1
        return attempts.Attempt(self.name, event, deadline_ns)

    # For its own thread.

    def _end_work(self) -> None:
        self._qemu.leave()
        if not self._is_left:
            self._arming.close()
            # The engine may have taken it for us.
            self._run_lock.release()
        self._run_lock.close()

    def _interval(self) -> float:
        return _REST_SECONDS if self._qemu.rests else self._check_interval

    def _check_changed(self) -> None:
        self._qemu.wake()
        # If the engine was fired, then somebody is about to wait for that.
        if not self._arming.is_fired:
            self._check()

    def _check(self) -> None:
        self._qemu.wake()
        try:
            if self._arming.find():
                self._arming.outcome()
            if not self._is_engine_idle():
                return
        except vpm.VpmError as e:
            self._set_condition(_without_engine(self._condition, e))
            return
        if self._ending is not None:
            self._set_condition(conditions.Condition(conditions.OFF,
                                                     _SUSPENDED))
            return
        if self._inspector.must_resume:
            try:
                self._resume()
                return
            except Exception as e:
                LOG.error('%s was not resumed after a drill, a suspend or a '
                          'snapshot: %s', self.name, e)
        self._may_rest = False
        try:
            condition = self._look()
        except conditions.NotArmed as e:
            condition = e.condition
        except vpm.EngineAway as e:
            condition = _engine_away(e)
        except qmp_module.QmpTimeout as e:
            # If it was armed it stays so: it may answer in time.
            condition = conditions.Condition(
                conditions.NOT_ARMED, str(e), 'if this lasts, find out what '
                'blocks QEMU (a hung disk?), or hard-reboot the server',
                conditions.QEMU_SILENT)
        except Exception as e:
            # QEMU is not trusted: whatever it answers must not end this
            # thread, and concerns this pVM only.
            condition = conditions.after(e)
        if condition is not None:
            self._set_condition(condition)
        if self._may_rest:
            self._qemu.rest(self._on_changed, self._inspector.swap_works if
                            self.region.is_vpm else None)

    def _set_condition(self, condition: conditions.Condition) -> None:
        if condition != self._condition:
            self._condition = condition
            LOG.info('pVM %(name)s is %(state)s%(reason)s', {
                'name': self.name, 'state': condition.state,
                'reason': (': ' + condition.reason
                           if condition.reason else '')})

    def _is_engine_idle(self) -> bool:
        """Whether the engine is not at work on it.

        If it was, and nobody requests the outcome, then the outcome is
        dropped: _look() finds out how the pVM is.
        """
        if self._arming.armed or self._arming.disarm():
            return True
        return (self._requested == self._begun and
                self._arming.drop_outcome())

    def _look(self) -> conditions.Condition | None:
        """Return the Condition, None if power fails while we look."""
        if self._arming.is_inherited:
            return self._look_at_inherited()
        if self._arming.armed:
            if self._stays_armed():
                self._arming.touch()
                self._may_rest = True
                return self._condition
            if not self._arming.disarm():
                return None
        condition = self._inspector.inspect()
        if condition.state != conditions.ARMED:
            return condition
        qemu = self._qemu
        if qemu.route is None:
            qemu.route, qemu.route_problem = route.choose(
                qemu.qmp, self.region.memory_size, connection.PATIENCE)
        self._nvdimms.note()
        self._arming.touch()
        self._fixator.arm(connection.PATIENCE)
        reasons = filter(None, (condition.reason, qemu.route_problem,
                                self._arming.problem))
        return dataclasses.replace(condition, route=qemu.route,
                                   reason='; '.join(reasons) or None)

    def _look_at_inherited(self) -> conditions.Condition | None:
        """Keep what an earlier notifier has armed, if that is right still.

        :returns: see _look()
        """
        try:
            condition = self._inspector.inspect(is_armed=True)
        except qmp_module.QmpTimeout:
            raise
        except Exception:
            self._arming.disarm()
            raise
        qemu = self._qemu
        if condition.state != conditions.ARMED:
            return condition if self._arming.disarm() else None
        if self._arming.inherit(qemu.qmp.pid, qemu.priority):
            qemu.route = self._arming.route()
            return dataclasses.replace(condition, route=qemu.route)
        return self._look() if self._arming.disarm() else None

    def _stays_armed(self) -> bool:
        """Whether an armed pVM is as it was; changes nothing."""
        if (self._condition.state != conditions.ARMED or
                not self._qemu.is_connected or self._inspector.is_moving()):
            return False
        try:
            return self._inspector.is_as_it_was()
        except qmp_module.QmpTimeout:
            raise
        except qmp_module.QmpConnectionError:
            return False

    def _on_fixate(self, attempt: attempts.Attempt) -> None:
        self._begun += 1
        self._inspector.hold()
        if self._ending is not None:
            attempt.settle(attempts.SKIPPED, reason=_SUSPENDED)
            return
        self._fixate(attempt)
        if attempt.wait_report().result == attempts.FIXATED:
            self._note_disks()

    def _fixate(self, attempt: attempts.Attempt) -> None:
        self._fixator.fixate(attempt)
        self._check()

    def _fire_if_running(self, attempt: attempts.Attempt) -> bool:
        return (self._condition.state == conditions.ARMED and
                self._qemu.is_running() and
                self._arming.fire(attempt.event, attempt.deadline_ns))

    def _drill(self, attempt: attempts.Attempt, wave: waves.Wave,
               all_settled: threading.Event) -> DrillResult:
        self._begun += 1
        wave.wait()
        if self._inspector.is_held or not self._fire_if_running(attempt):
            attempt.settle(attempts.SKIPPED, reason='it is not armed, or '
                           'does not run')
            return DrillResult(None, None)
        self._fixate(attempt)
        try:
            state = None
            if attempt.wait_report().result == attempts.FIXATED:
                self._keep_quiet(all_settled)
                state = self._pool.verify_state(self.region.id)
        finally:
            resumed = self._run_on()
        return DrillResult(state, resumed)

    def _keep_quiet(self, all_settled: threading.Event) -> None:
        """Do nothing that would slow others of a drill down.

        One of them that hangs is not waited for, nor when power fails.
        """
        until = time.monotonic() + _QUIET_SECONDS
        while self._requested == self._begun and time.monotonic() < until:
            if all_settled.wait(_QUIET_SECONDS / 50):
                break

    def _suspend(self,
                 attempt: attempts.Attempt) -> abc.Callable[[], None]:
        self._fixate_alone(attempt)
        self._note_disks()
        # The state is proven: nothing in QEMU is needed any more. It does
        # not run again, however long its end takes; the run lock stays held.
        self._ending = ending = self._qemu.quit()
        if not ending.wait(connection.PATIENCE):
            ending.kill()
        self._check()
        return lambda: self._wait_suspended(ending)

    def _wait_suspended(self, ending: connection.Ending) -> None:
        """Wait until QEMU has ended; in another thread than its own."""
        if not ending.wait(_TELL_SECONDS):
            LOG.warning('%s is suspended as soon as its QEMU, process %d, has '
                        'ended: it was killed, and the kernel still takes its '
                        'memory back', self.name, ending.pid)
            while not ending.wait(_TELL_SECONDS):
                pass
        self._worker.submit(self._suspended, ending).result()

    def _suspended(self, ending: connection.Ending) -> None:
        ending.close()
        self._ending = None
        self._note.remove()
        self._run_lock.release()
        self._inspector.expect_no_resume()
        self._check()

    def _note_disks(self) -> None:
        if self._qemu.is_connected:
            disks.take(self._pool, self.region, self._qemu.qmp,
                       connection.PATIENCE)

    def _fixate_alone(self, attempt: attempts.Attempt) -> None:
        """Fixate it, without an outage; if that fails, let it run on."""
        self._begun += 1
        self._check()
        if not self._fire_if_running(attempt):
            report = attempt.settle(attempts.SKIPPED, reason=(
                self._condition.reason or 'it does not run'))
            raise NotFixated(report.reason)
        self._fixate(attempt)
        try:
            report = attempt.wait_report()
            if report.result != attempts.FIXATED:
                raise NotFixated(report.reason)
            self._pool.verify_state(self.region.id)
        except Exception:
            self._run_on()
            raise

    def _run_on(self) -> str | None:
        """Resume it without an outage: now, or with the next check."""
        self._inspector.resume_later()
        return self._resume()

    def _snapshot(self, attempt: attempts.Attempt,
                  copy: copying.Copy) -> abc.Mapping[str, Any]:
        self._fixate_alone(attempt)
        begun = self._begun

        def is_interrupted() -> bool:
            # Large ones take long.
            self._worker.beat()
            return self._requested != begun

        try:
            copied = copying.run(copy, is_interrupted, self.name)
        except copying.CopyInterrupted:
            # It stays as it is for the next fixation.
            self._inspector.resume_later()
            raise
        except Exception:
            self._run_on()
            raise
        self._run_on()
        return copied

    def _resume(self) -> str | None:
        if not self._arming.disarm():
            raise PowerFailedAgain()
        self._check_latest()
        if self._ending is not None:
            self._inspector.release()
            return None
        try:
            runstate = self._inspector.runstate(connection.PATIENCE)
        except conditions.NotArmed as e:
            if e.condition.state != conditions.OFF:
                raise
            self._run_lock.release()
            self._inspector.release()
            return None
        before = self._inspector.runstate_before_stop(runstate)
        done = None
        if before is not None:
            migration.clean_up(self._qemu.qmp, connection.PATIENCE)
            done = 'left %s' % before
            if before in migration.LIVE_RUNSTATES:
                self._run_lock.acquire(connection.PATIENCE)
                self._check_latest()
                self._pool.begin_epoch(self.region.id)
                self._qemu.qmp.command('cont', timeout=connection.PATIENCE)
                done = RESUMED
            self._note.remove()
        self._run_lock.release()
        self._inspector.release()
        self._check()
        return done

    def _end(self) -> bool:
        if (self._qemu.reach(connection.PATIENCE) not in inspector.SAVED or
                not self._inspector.is_held or
                not self._inspector.proven_state()):
            return False
        ending = self._qemu.quit()
        try:
            return ending.wait(connection.PATIENCE)
        finally:
            ending.close()
            self._check()

    def _check_latest(self) -> None:
        # A proven state is not given up while power fails.
        if self._requested != self._begun:
            raise PowerFailedAgain()


def _without_engine(known: conditions.Condition,
                    error: vpm.VpmError) -> conditions.Condition:
    """Return the Condition while nobody knows what the engine does."""
    if known.state in (conditions.FIXATED, conditions.STOPPED):
        return known
    if isinstance(error, vpm.EngineAway):
        return _engine_away(error)
    return conditions.after(error)


def _engine_away(error: vpm.EngineAway) -> conditions.Condition:
    return conditions.Condition(conditions.NOT_ARMED, str(error),
                                code=conditions.ENGINE_AWAY)


def resume_problem(future: concurrent.futures.Future[Any]) -> str | None:
    """Say in words why resume() or drill() has no result; None if it has.

    :param future: that was waited for
    """
    if not future.done():
        return 'its QEMU does not answer; try again later'
    error = future.exception()
    return None if error is None else str(error)
