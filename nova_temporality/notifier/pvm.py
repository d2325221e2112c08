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
good and after the event: a QEMU that hangs keeps nobody else waiting. The
event itself belongs to the engine, which a pVM is armed for. While it is armed
the engine has a QMP connection of its own, and may be fired at any instant; so
nothing that gets in its way is done before the pVM was disarmed.
"""

import concurrent.futures
import dataclasses
import fcntl
import os
import queue
import select
import signal
import threading

from oslo_log import log as logging

from nova_temporality import engine as native
from nova_temporality import migration
from nova_temporality.notifier import fixation
from nova_temporality.notifier import note
from nova_temporality.notifier import obstacles
from nova_temporality.notifier import power
from nova_temporality.notifier import route
from nova_temporality.notifier import turns
from nova_temporality import paths
from nova_temporality import priority
from nova_temporality import qmp as qmp_module
from nova_temporality import runlock
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# Conditions of a pVM.
OFF = 'off'
NOT_ARMED = 'not armed'
ARMED = 'armed'
FIXATED = 'fixated'
STOPPED = 'stopped'

# Id of the memory backend in the command line that the driver gives QEMU.
_MEMORY_BACKEND = '/objects/nvram'

# Run states in which there is nothing to save, and why.
_NOTHING_TO_SAVE = {
    'inmigrate': 'it waits for its state or, migrated live, for its memory; '
                 'an earlier state stays valid',
    'prelaunch': 'its vCPUs have not run yet',
    'shutdown': 'the guest has powered itself off',
}

# Run states after a save, by either route.
_SAVED = ('postmigrate', 'paused')

# Seconds for an answer while power is good.
_PATIENCE = 2.0

# Room for a usual state between QEMU and the engine, so that neither waits:
# the most that needs no privilege (/proc/sys/fs/pipe-max-size).
_PIPE_SIZE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Condition:
    """How a pVM is, in words."""

    state: str
    reason: str = None
    remedy: str = None
    # How its state would be written, while armed: see the module route.
    route: str = None


class _NotArmed(Exception):
    """Carries a Condition; str() is its reason."""

    def __init__(self, *args):
        self.condition = Condition(*args)
        super().__init__(self.condition.reason)


class NotFixated(Exception):
    """A pVM could not be suspended."""


class PowerFailedAgain(Exception):
    """A call-off was not begun, because the next fixation waits already."""

    def __init__(self):
        super().__init__('power failed again')


class Pvm:
    """One pVM. The public methods return at once.

    :param pool: vpm.Pool
    :param engine: engine.Engine
    :param region: vpm.RegionInfo of its memory
    :param run_dir: [temporality] run_dir
    :param check_interval: seconds between two looks at its QEMU
    :param platform: platform.Platform
    """

    def __init__(self, pool, engine, region, run_dir, check_interval,
                 platform):
        self.region = region
        self.name = region.name
        self._pool = pool
        # As its latest QEMU was given.
        self.priority = priority.DEFAULT
        self._run_dir = run_dir
        self._engine = engine
        self._watch_path = paths.watch_socket(run_dir, region.name)
        self._fixate_path = paths.fixate_socket(run_dir, region.name)
        self._note = note.StoppedNote(run_dir, region.name)
        self._moving_note = paths.moving_note(run_dir, region.name)
        self._run_lock = runlock.RunLock(region)
        self._check_interval = check_interval
        self._platform = platform
        self._jobs = queue.SimpleQueue()
        # One block of a state file is its header.
        self._state_room = pool.info().state_size - 4096
        self._largest_state = 0
        self._condition = Condition(OFF)
        self._qmp = None
        self._unit = None
        # Whether QEMU on this connection was checked and prepared.
        self._prepared = False
        # What route.choose() said about it, None before.
        self._route = None
        self._route_problem = None
        # Whether the vCPUs were seen to run since the last stop.
        self._seen_live = False
        # Fixations asked for, and begun, so far.
        self._asked = 0
        self._begun = 0
        # Whether it stands still for a drill only, which is over, or for a
        # suspend that failed.
        self._drilled = False
        # Whether whoever raised an outage has to call it off first.
        self._held = False
        # Of the note, while it stands still.
        self._raised_by = ()
        threading.Thread(target=self._work, daemon=True,
                         name='pvm-' + region.name).start()

    # For other threads.

    @property
    def condition(self):
        """The latest Condition."""
        return self._condition

    @property
    def raised_by(self):
        """Who wanted it to stand still, as far as that is known."""
        return self._raised_by

    def check(self):
        """Look at QEMU now; return a Future."""
        return self._submit(self._check)

    def fixate(self, event, deadline_ns):
        """Fixate it, unless the engine does already; return an Attempt."""
        attempt = fixation.Attempt(self.name, event, deadline_ns)
        self._asked += 1
        self._submit(self._on_fixate, attempt)
        return attempt

    def drill(self, event, deadline_ns, turn=turns.FIRST):
        """Fixate it in its turn, verify the state and let it run on.

        :returns: the Attempt, and a Future of (StateInfo or None, what
                  resume() would say), which raises like that of resume(), or
                  vpm.Unproven when the state could not be verified
        """
        attempt = fixation.Attempt(self.name, event, deadline_ns)
        self._asked += 1
        return attempt, self._submit(self._drill, attempt, turn)

    def suspend(self, event, deadline_ns):
        """Fixate it and end its QEMU; if that fails, let it run on.

        :returns: the Attempt, and a Future, which raises what went wrong
        """
        attempt = fixation.Attempt(self.name, event, deadline_ns)
        self._asked += 1
        return attempt, self._submit(self._suspend, attempt)

    def resume(self):
        """Call the fixation off.

        :returns: a Future of what was done in words, None when nothing; it
                  raises what went wrong, PowerFailedAgain if a later
                  fixate() came before its turn
        """
        return self._submit(self._resume)

    def end(self):
        """End its QEMU if that would lose nothing.

        :returns: a Future of whether QEMU was fixated and has ended
        """
        return self._submit(self._end)

    def close(self):
        """Let go of QEMU as it is, and end the thread."""
        self._jobs.put(None)

    def _submit(self, function, *args):
        future = concurrent.futures.Future()
        self._jobs.put((future, function, args))
        return future

    # For its own thread.

    def _work(self):
        while True:
            try:
                job = self._jobs.get(timeout=self._check_interval)
            except queue.Empty:
                self._check()
                continue
            if job is None:
                break
            future, function, args = job
            try:
                future.set_result(function(*args))
            except Exception as e:
                future.set_exception(e)
        self._disconnect()
        if self._unit is not None:
            self._unit.close()
        self._run_lock.close()

    def _check(self):
        if self._unit is not None and not self._is_calm():
            return
        if self._drilled:
            try:
                self._resume()
                return
            except Exception as e:
                LOG.error('%s does not run on after a drill: %s', self.name,
                          e)
        try:
            condition = self._look()
        except _NotArmed as e:
            condition = e.condition
        except qmp_module.QmpTimeout as e:
            # If it was armed it stays so: it may answer in time.
            condition = Condition(
                NOT_ARMED, str(e), 'if it stays like this, find out what '
                'blocks QEMU (a hung disk?), or reboot the server hard')
        except Exception as e:
            # Also what a QEMU gone mad may answer: one pVM's trouble only.
            condition = Condition(NOT_ARMED, '%s: %s'
                                  % (type(e).__name__, e))
        if condition is None:
            return
        if condition != self._condition:
            self._condition = condition
            LOG.info('pVM %(name)s is %(state)s%(reason)s', {
                'name': self.name, 'state': condition.state,
                'reason': (': ' + condition.reason
                           if condition.reason else '')})

    def _is_calm(self):
        """Whether the engine is not at work on it.

        If it was, and nobody asks for the outcome, then the outcome is
        dropped: what is there to be seen, _look() sees.
        """
        if self._unit.armed or self._unit.disarm():
            return True
        if self._asked == self._begun:
            try:
                self._unit.wait(1)
            except vpm.DeadlineExceeded:
                return False
            return True
        return False

    def _look(self):
        """Return the Condition, None if power fails while we look."""
        if self._unit is not None and self._unit.armed:
            if self._stays_armed():
                return self._condition
            if not self._unit.disarm():
                return None
        condition = self._examine()
        if condition.state != ARMED:
            return condition
        if self._route is None:
            self._route, self._route_problem = route.choose(
                self._qmp, self.region.memory_size, _PATIENCE)
        self._arm(_PATIENCE)
        return dataclasses.replace(condition, route=self._route,
                                   reason=self._route_problem)

    def _stays_armed(self):
        """Whether an armed pVM is as it was; changes nothing."""
        if (self._condition.state != ARMED or self._qmp is None or
                self._is_moving()):
            return False
        try:
            runstate = migration.runstate(self._qmp, _PATIENCE)
            if self._seen_live != (runstate in migration.LIVE_RUNSTATES):
                return False
            return self._obstacle() is None
        except qmp_module.QmpTimeout:
            raise
        except qmp_module.QmpConnectionError:
            return False

    def _is_moving(self):
        return os.path.exists(self._moving_note)

    def _obstacle(self):
        """Return what is in the way of a fixation, and its remedy."""
        return (
            obstacles.blockers(self._qmp, _PATIENCE) or
            obstacles.disks(self._qmp, self.region.is_vpm, _PATIENCE) or
            obstacles.state_size(self._qmp, self._state_room,
                                 self._largest_state, _PATIENCE))

    def _reach(self, timeout):
        """Connect if need be; return QEMU's run state."""
        if self._qmp is not None:
            try:
                return migration.runstate(self._qmp, timeout)
            except qmp_module.QmpTimeout:
                raise
            except qmp_module.QmpConnectionError:
                pass  # that QEMU has ended; there may be another one
        self._disconnect()
        self._connect(timeout)
        return migration.runstate(self._qmp, timeout)

    def _connect(self, timeout):
        """Connect to QEMU and open the state file ahead of need."""
        qmp = self._open_qmp(self._watch_path, timeout)
        try:
            if self._unit is None:
                self._unit = native.Unit(self._engine, self.region.id,
                                         self._note.file)
        except BaseException:
            qmp.close()
            raise
        self._qmp = qmp
        self._route = None
        self.priority = priority.read(self._run_dir, self.name)
        self._prepared = False
        self._seen_live = False

    def _open_qmp(self, path, timeout):
        try:
            qmp = qmp_module.QmpClient(path, timeout)
        except qmp_module.QmpRefused:
            raise _NotArmed(OFF)
        # Its directory belongs to QEMU, which could put anything there.
        if self.region.uid not in (0, qmp.uid):
            qmp.close()
            raise _NotArmed(
                NOT_ARMED, '%s is served by user id %d instead of %d'
                % (path, qmp.uid, self.region.uid),
                'look for an intruder; reboot the server hard')
        return qmp

    def _disconnect(self):
        self._prepared = False
        if self._unit is not None:
            self._unit.disarm()
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None

    def _arm(self, timeout, before=''):
        """Hand QEMU over to the engine, for one fixation.

        :param before: its run state before it was stopped for an earlier
                       event, if it was
        """
        qmp = self._open_qmp(self._fixate_path, timeout)
        ours, theirs = os.pipe()
        try:
            if qmp.pid != self._qmp.pid:
                raise _NotArmed(
                    NOT_ARMED, '%s is served by process %d instead of %d'
                    % (self._fixate_path, qmp.pid, self._qmp.pid),
                    'look for an intruder; reboot the server hard')
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
            qmp.getfd(native.STREAM_NAME, theirs, timeout)
            while True:
                runstate = migration.runstate(qmp, timeout)
                # The engine has to hear of whatever happens from now on.
                if not qmp.unread:
                    break
            self._unit.arm(qmp=qmp, stream=ours, lock=self._run_lock,
                           pid=qmp.pid, route=self._route or route.MIGRATE,
                           runstate=runstate,
                           before=before, producer='qemu ' + qmp.version,
                           priority=self.priority)
        finally:
            qmp.close()
            os.close(ours)
            os.close(theirs)

    def _examine(self):
        """Return the Condition that QEMU is in."""
        self._raised_by = ()
        if self._is_moving():
            raise _NotArmed(NOT_ARMED, 'it is being migrated live',
                            'wait until that has ended')
        runstate = self._reach(_PATIENCE)
        if runstate in _NOTHING_TO_SAVE:
            return Condition(NOT_ARMED, _NOTHING_TO_SAVE[runstate])
        if not self._prepared:
            self._prepare()
        if runstate in migration.LIVE_RUNSTATES:
            self._note_live()
        else:
            before = self._runstate_before_stop(runstate)
            if before is not None:
                return self._stand_still(before)
            if runstate == 'postmigrate' and not self._proven():
                return Condition(
                    NOT_ARMED, 'it was saved before and has not run since, '
                    'so QEMU cannot save it again', 'unpause the server')
        obstacle = self._obstacle()
        if obstacle:
            return Condition(NOT_ARMED, *obstacle)
        return Condition(ARMED)

    def _prepare(self):
        """Check that its memory survives, and is the region's."""
        problem = self._platform.problem()
        if problem:
            # A fixation would not be worth its marker.
            raise _NotArmed(NOT_ARMED, problem, self._platform.remedy)
        memory = {name: self._qmp.command(
            'qom-get', {'path': _MEMORY_BACKEND, 'property': name},
            timeout=_PATIENCE) for name in ('mem-path', 'share')}
        if (os.path.realpath(memory['mem-path']) !=
                os.path.realpath(self.region.memory_path) or
                memory['share'] is not True):
            raise _NotArmed(
                NOT_ARMED, 'the memory of its QEMU is %s instead of %s, '
                'shared' % (memory['mem-path'], self.region.memory_path),
                'reboot the server hard')
        # A notifier that was killed could have left its traces.
        self._clean_up()
        self._prepared = True

    def _note_live(self):
        """Somebody started the vCPUs: no state may be left that is proven."""
        if self._seen_live:
            return
        if self._proven():
            LOG.warning('The vCPUs of %s were started beside its proven '
                        'state, which is invalidated now. Never start a '
                        'fixated pVM by hand: "temporality resume" does '
                        'it safely', self.name)
            self._pool.begin_epoch(self.region.id)
        self._note.remove()
        self._seen_live = True

    def _proven(self):
        """Return the StateInfo of the region's proven state, or None."""
        try:
            return self._pool.verify_state(self.region.id)
        except vpm.Unproven:
            return None

    def _runstate_before_stop(self, runstate):
        """Return its run state before a notifier stopped it, or None."""
        stopped = self._note.read(self._qmp.pid)
        if stopped:
            return stopped.runstate
        if runstate in _SAVED:
            # A pVM that was paused anyway needs nobody to resume it.
            state = self._proven()
            if state and state.meta.runstate in migration.LIVE_RUNSTATES:
                return state.meta.runstate
        return None

    def _stand_still(self, before):
        """Keep what an earlier notifier stopped from being started."""
        stopped = self._note.read(self._qmp.pid)
        self._raised_by = stopped.raised_by if stopped else ()
        # Perhaps of a notifier that was killed in the midst of it.
        self._drilled = (bool(self._raised_by) and not self._held and
                         power.NO_OUTAGE.issuperset(self._raised_by))
        try:
            self._run_lock.acquire(0)
        except runlock.RunLockTimeout:
            pass  # nova-compute is about to start it
        if self._proven():
            return Condition(FIXATED, 'it was %s when power failed' % before,
                             'when power is back: temporality resume')
        return Condition(STOPPED, 'its fixation failed; it was %s when power '
                         'failed' % before,
                         'when power is back: temporality resume')

    def _on_fixate(self, attempt):
        self._begun += 1
        self._drilled = False
        self._held = True
        self._fixate(attempt)

    def _fixate(self, attempt):
        try:
            if self._unit is not None:
                # It may have been armed since the engine was fired.
                self._unit.fire(attempt.event, attempt.deadline_ns)
            outcome = self._outcome()
            if outcome is None:
                outcome = self._fixate_unarmed(attempt)
            if outcome.result == fixation.SKIPPED:
                outcome = dataclasses.replace(
                    outcome, reason=_NOTHING_TO_SAVE[outcome.runstate])
            attempt.settle_as(outcome)
            self._largest_state = max(self._largest_state, outcome.length)
        except _NotArmed as e:
            if e.condition.state == OFF:
                attempt.settle(fixation.SKIPPED, reason='no QEMU runs it')
            else:
                attempt.settle_as(self._failed(attempt, e.condition.reason))
        except Exception as e:
            attempt.settle_as(self._failed(attempt, str(e)))
        # What follows may take its time.
        self._adopt_lock()
        self._seen_live = False
        if self._prepared:
            try:
                self._clean_up()
            except (qmp_module.QmpError, migration.MigrationStuck):
                self._disconnect()  # tried again with the next connection
        self._check()

    def _outcome(self):
        """Return what the engine achieved, None if it was not fired."""
        return self._unit.wait() if self._unit is not None else None

    def _without_engine(self, attempt, result, **details):
        """Return an Outcome that the engine had no part in."""
        outcome = native.Outcome(
            self.name, result, region=self.region.id,
            wall_ns=attempt.event.wall_ns,
            signal_ns=attempt.event.monotonic_ns,
            raised_by=attempt.event.raised_by, **details)
        native.record(self._pool, outcome)
        return outcome

    def _failed(self, attempt, reason):
        return self._without_engine(attempt, fixation.FAILED, reason=reason)

    def _adopt_lock(self):
        """Keep the run lock that the engine has taken on our behalf."""
        try:
            self._run_lock.acquire(0)
        except runlock.RunLockTimeout:
            pass  # it did not get it

    def _fixate_unarmed(self, attempt):
        """Make up for what was not done while power was good."""
        if self._is_moving():
            raise _NotArmed(NOT_ARMED, 'it is being migrated live')
        # Kept until the outage is called off, whatever happens here:
        # nothing shall start while power is failing.
        self._run_lock.acquire(attempt.left())
        runstate = self._reach(attempt.left())
        if runstate in _NOTHING_TO_SAVE:
            return self._without_engine(attempt, fixation.SKIPPED,
                                        runstate=runstate)
        if not self._prepared:
            self._prepare()
        event, before = attempt.event, ''
        stopped = self._note.read(self._qmp.pid)
        if stopped and runstate not in migration.LIVE_RUNSTATES:
            before = stopped.runstate
            event = dataclasses.replace(event, raised_by=tuple(sorted(
                {*event.raised_by, *stopped.raised_by})))
        self._arm(attempt.left(), before)
        self._unit.fire(event, attempt.deadline_ns)
        outcome = self._outcome()
        if outcome is None:
            raise qmp_module.QmpConnectionError('QEMU has just ended')
        return outcome

    def _clean_up(self):
        """Undo what an attempt set in QEMU, but for the stop."""
        if self._note.read(self._qmp.pid) is not None:
            migration.clean_up(self._qmp, _PATIENCE)
        else:
            # If a migration is under way, then it is libvirt's.
            migration.clear_capabilities(self._qmp, _PATIENCE)

    def _drill(self, attempt, turn):
        self._begun += 1
        turn.wait()
        if (self._condition.state != ARMED or self._held or
                not self._lives() or
                not self._unit.fire(attempt.event, attempt.deadline_ns)):
            attempt.settle(fixation.SKIPPED, reason='it is not armed, or '
                           'does not run')
            return None, None
        self._fixate(attempt)
        try:
            state = None
            if attempt.outcome().result == fixation.FIXATED:
                state = self._pool.verify_state(self.region.id)
        finally:
            self._drilled = True
            done = self._resume()
        return state, done

    def _suspend(self, attempt):
        self._begun += 1
        self._check()
        if (self._condition.state != ARMED or not self._lives() or
                not self._unit.fire(attempt.event, attempt.deadline_ns)):
            attempt.settle(fixation.SKIPPED, reason=(
                self._condition.reason or 'it does not run'))
            raise NotFixated(attempt.outcome().reason)
        self._fixate(attempt)
        try:
            if attempt.outcome().result != fixation.FIXATED:
                raise NotFixated(attempt.outcome().reason)
            self._pool.verify_state(self.region.id)
        except Exception:
            # As after a drill: it runs on, now or with the next check.
            self._drilled = True
            self._resume()
            raise
        # Nothing in it is of use any more.
        if not self._quit(kill=True):
            raise NotFixated('its QEMU does not end')
        self._note.remove()
        self._run_lock.release()
        self._drilled = False
        self._check()

    def _lives(self):
        try:
            return self._reach(_PATIENCE) in migration.LIVE_RUNSTATES
        except (qmp_module.QmpError, _NotArmed):
            return False

    def _resume(self):
        if self._unit is not None and not self._unit.disarm():
            raise PowerFailedAgain()
        self._check_latest()
        try:
            runstate = self._reach(_PATIENCE)
        except _NotArmed as e:
            if e.condition.state != OFF:
                raise
            self._run_lock.release()
            self._drilled = self._held = False
            return None
        before = self._runstate_before_stop(runstate)
        done = None
        if before is not None:
            migration.clean_up(self._qmp, _PATIENCE)
            done = 'left %s' % before
            if before in migration.LIVE_RUNSTATES:
                self._run_lock.acquire(_PATIENCE)
                self._check_latest()
                self._pool.begin_epoch(self.region.id)
                self._qmp.command('cont', timeout=_PATIENCE)
                done = 'resumed'
            self._note.remove()
        self._run_lock.release()
        self._drilled = self._held = False
        self._check()
        return done

    def _end(self):
        if (self._reach(_PATIENCE) not in _SAVED or not self._held or
                not self._proven()):
            return False
        ended = self._quit()
        self._check()
        return ended

    def _quit(self, kill=False):
        """End QEMU; return whether it has ended.

        :param kill: whether to insist
        """
        process = os.pidfd_open(self._qmp.pid)
        try:
            try:
                self._qmp.command('quit', timeout=_PATIENCE)
            except qmp_module.QmpConnectionError:
                pass  # it may be gone before it has answered
            self._disconnect()
            ready, _, _ = select.select([process], [], [], _PATIENCE)
            if not ready and kill:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                ready, _, _ = select.select([process], [], [], _PATIENCE)
        finally:
            os.close(process)
        return bool(ready)

    def _check_latest(self):
        # A proven state is not given up while power fails.
        if self._asked != self._begun:
            raise PowerFailedAgain()
