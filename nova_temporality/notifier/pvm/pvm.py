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
event itself belongs to the engine, which a pVM is armed for (arming.py). How
QEMU is reached is in qemu.py, and what condition it is in examiner.py finds
out.
"""

import concurrent.futures
import dataclasses
import threading

from oslo_log import log as logging

from nova_temporality.notifier.pvm import arming
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import connection
from nova_temporality.notifier.pvm import inspector
from nova_temporality.notifier.pvm import stopped_note
from nova_temporality.notifier.pvm import waves
from nova_temporality.notifier.pvm import worker
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.qemu import route
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock

LOG = logging.getLogger(__name__)

# Seconds within which a fixation interrupts the copying for a snapshot.
_INTERRUPTION = 0.005


class NotFixated(Exception):
    """A pVM could not be suspended."""


class CopyInterrupted(Exception):
    """A pVM is not copied to the end, because a fixation comes first."""

    def __init__(self):
        super().__init__('a fixation (power failure or suspend) came first')


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
        self._note = stopped_note.StoppedNote(run_dir, region.name)
        self._run_lock = runlock.RunLock(region)
        self._arming = arming.Arming(engine, region, self._note,
                                     self._run_lock)
        self._qemu = connection.Qemu(region, run_dir, self._arming)
        self._examiner = inspector.Examiner(
            pool, region, self._qemu, self._note, self._run_lock, platform,
            run_dir)
        self._condition = conditions.Condition(conditions.OFF)
        # Fixations asked for, and begun, so far.
        self._asked = 0
        self._begun = 0
        self._worker = worker.Worker('pvm-' + region.name, self._check,
                                     check_interval, self._end_work)

    # For other threads.

    @property
    def condition(self):
        """The latest Condition."""
        return self._condition

    @property
    def raised_by(self):
        """Who wanted it to stand still, as far as that is known."""
        return self._examiner.raised_by

    @property
    def priority(self):
        """As its latest QEMU was given."""
        return self._qemu.priority

    def check(self):
        """Look at QEMU now; return a Future."""
        return self._worker.submit(self._check)

    def fixate(self, event, deadline_ns):
        """Fixate it, unless the engine does already; return an Attempt."""
        attempt = attempts.Attempt(self.name, event, deadline_ns)
        self._asked += 1
        self._worker.submit(self._on_fixate, attempt)
        return attempt

    def drill(self, event, deadline_ns, turn=waves.FIRST):
        """Fixate it in its turn, verify the state and let it run on.

        :returns: the Attempt, and a Future of (StateInfo or None, what
                  resume() would say), which raises like that of resume(), or
                  vpm.Unproven when the state could not be verified
        """
        attempt = attempts.Attempt(self.name, event, deadline_ns)
        self._asked += 1
        return attempt, self._worker.submit(self._drill, attempt, turn)

    def suspend(self, event, deadline_ns):
        """Fixate it and end its QEMU; if that fails, let it run on.

        :returns: the Attempt, and a Future, which raises what went wrong
        """
        attempt = attempts.Attempt(self.name, event, deadline_ns)
        self._asked += 1
        return attempt, self._worker.submit(self._suspend, attempt)

    def snapshot(self, event, deadline_ns, copy):
        """Fixate it, have it copied while it stands still, let it run on.

        :param copy: function that is called, in a thread of its own, with one
                     that raises when the copying shall end
        :returns: the Attempt, and a Future of what copy() returned; it raises
                  what went wrong, CopyInterrupted if another fixation came
        """
        attempt = attempts.Attempt(self.name, event, deadline_ns)
        self._asked += 1
        return attempt, self._worker.submit(self._snapshot, attempt, copy)

    def resume(self):
        """Call the fixation off.

        :returns: a Future of what was done in words, None when nothing; it
                  raises what went wrong, PowerFailedAgain if a later
                  fixate() came before its turn
        """
        return self._worker.submit(self._resume)

    def end(self):
        """End its QEMU if that would lose nothing.

        :returns: a Future of whether QEMU was fixated and has ended
        """
        return self._worker.submit(self._end)

    def close(self):
        """Let go of QEMU as it is, and end the thread."""
        self._worker.close()

    # For its own thread.

    def _end_work(self):
        self._qemu.disconnect()
        self._arming.close()
        self._run_lock.close()

    def _check(self):
        if not self._is_calm():
            return
        if self._examiner.drilled:
            try:
                self._resume()
                return
            except Exception as e:
                LOG.error('%s does not run on after a drill: %s', self.name,
                          e)
        try:
            condition = self._look()
        except conditions.NotArmed as e:
            condition = e.condition
        except qmp_module.QmpTimeout as e:
            # If it was armed it stays so: it may answer in time.
            condition = conditions.Condition(
                conditions.NOT_ARMED, str(e), 'if it stays like this, find '
                'out what blocks QEMU (a hung disk?), or reboot the server '
                'hard')
        except Exception as e:
            # Also what a QEMU gone mad may answer: one pVM's trouble only.
            condition = conditions.Condition(
                conditions.NOT_ARMED, '%s: %s' % (type(e).__name__, e))
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
        if self._arming.armed or self._arming.disarm():
            return True
        return self._asked == self._begun and self._arming.drop_outcome()

    def _look(self):
        """Return the Condition, None if power fails while we look."""
        if self._arming.armed:
            if self._stays_armed():
                return self._condition
            if not self._arming.disarm():
                return None
        condition = self._examiner.examine()
        if condition.state != conditions.ARMED:
            return condition
        one = self._qemu
        if one.route is None:
            one.route, one.route_problem = route.choose(
                one.qmp, self.region.memory_size, connection.PATIENCE)
        self._arming.arm(one, connection.PATIENCE)
        return dataclasses.replace(condition, route=one.route,
                                   reason=one.route_problem)

    def _stays_armed(self):
        """Whether an armed pVM is as it was; changes nothing."""
        if (self._condition.state != conditions.ARMED or
                self._qemu.qmp is None or self._examiner.is_moving()):
            return False
        try:
            runstate = migration.runstate(self._qemu.qmp, connection.PATIENCE)
            if self._qemu.seen_live != (runstate in migration.LIVE_RUNSTATES):
                return False
            return self._examiner.obstacle() is None
        except qmp_module.QmpTimeout:
            raise
        except qmp_module.QmpConnectionError:
            return False

    def _on_fixate(self, attempt):
        self._begun += 1
        self._examiner.drilled = False
        self._examiner.held = True
        self._fixate(attempt)

    def _fixate(self, attempt):
        try:
            # It may have been armed since the engine was fired.
            self._arming.fire(attempt.event, attempt.deadline_ns)
            outcome = self._arming.outcome()
            if outcome is None:
                outcome = self._fixate_unarmed(attempt)
            if outcome.result == attempts.SKIPPED:
                reason = conditions.NOTHING_TO_SAVE[outcome.runstate]
                outcome = dataclasses.replace(outcome, reason=reason)
            attempt.settle_as(outcome)
            self._examiner.largest_state = max(
                self._examiner.largest_state, outcome.length)
        except conditions.NotArmed as e:
            if e.condition.state == conditions.OFF:
                attempt.settle(attempts.SKIPPED, reason='no QEMU runs it')
            else:
                attempt.settle_as(self._failed(attempt, e.condition.reason))
        except Exception as e:
            attempt.settle_as(self._failed(attempt, str(e)))
        # What follows may take its time.
        self._adopt_lock()
        self._qemu.seen_live = False
        if self._qemu.prepared:
            try:
                self._examiner.clean_up()
            except (qmp_module.QmpError, migration.MigrationStuck):
                self._qemu.disconnect()  # tried again with the next connection
        self._check()

    def _without_engine(self, attempt, result, **details):
        """Return an Outcome that the engine had no part in."""
        outcome = outcomes.Outcome(
            self.name, result, region=self.region.id,
            wall_ns=attempt.event.wall_ns,
            signal_ns=attempt.event.monotonic_ns,
            raised_by=attempt.event.raised_by, **details)
        outcomes.record(self._pool, outcome)
        return outcome

    def _failed(self, attempt, reason):
        return self._without_engine(attempt, attempts.FAILED, reason=reason)

    def _adopt_lock(self):
        """Keep the run lock that the engine has taken on our behalf."""
        try:
            self._run_lock.acquire(0)
        except runlock.RunLockTimeout:
            pass  # it did not get it

    def _fixate_unarmed(self, attempt):
        """Make up for what was not done while power was good."""
        self._examiner.refuse_while_moving()
        # Kept until the outage is called off, whatever happens here:
        # nothing shall start while power is failing.
        self._run_lock.acquire(attempt.left())
        runstate = self._examiner.runstate(attempt.left())
        if runstate in conditions.NOTHING_TO_SAVE:
            return self._without_engine(attempt, attempts.SKIPPED,
                                        runstate=runstate)
        if not self._qemu.prepared:
            self._examiner.prepare()
        event, before = attempt.event, ''
        stopped = self._note.read(self._qemu.qmp.pid)
        if stopped and runstate not in migration.LIVE_RUNSTATES:
            before = stopped.runstate
            event = dataclasses.replace(event, raised_by=tuple(sorted(
                {*event.raised_by, *stopped.raised_by})))
        self._arming.arm(self._qemu, attempt.left(), before)
        self._arming.fire(event, attempt.deadline_ns)
        outcome = self._arming.outcome()
        if outcome is None:
            raise qmp_module.QmpConnectionError('QEMU has just ended')
        return outcome

    def _drill(self, attempt, turn):
        self._begun += 1
        turn.wait()
        if (self._condition.state != conditions.ARMED or
                self._examiner.held or not self._qemu.lives() or
                not self._arming.fire(attempt.event, attempt.deadline_ns)):
            attempt.settle(attempts.SKIPPED, reason='it is not armed, or '
                           'does not run')
            return None, None
        self._fixate(attempt)
        try:
            state = None
            if attempt.outcome().result == attempts.FIXATED:
                state = self._pool.verify_state(self.region.id)
        finally:
            self._examiner.drilled = True
            done = self._resume()
        return state, done

    def _suspend(self, attempt):
        self._fixate_alone(attempt)
        # Nothing in it is of use any more.
        if not self._qemu.quit(kill=True):
            raise NotFixated('its QEMU does not end')
        self._note.remove()
        self._run_lock.release()
        self._examiner.drilled = False
        self._check()

    def _fixate_alone(self, attempt):
        """Fixate it, without an outage; if that fails, let it run on."""
        self._begun += 1
        self._check()
        if (self._condition.state != conditions.ARMED or
                not self._qemu.lives() or
                not self._arming.fire(attempt.event, attempt.deadline_ns)):
            attempt.settle(attempts.SKIPPED, reason=(
                self._condition.reason or 'it does not run'))
            raise NotFixated(attempt.outcome().reason)
        self._fixate(attempt)
        try:
            if attempt.outcome().result != attempts.FIXATED:
                raise NotFixated(attempt.outcome().reason)
            self._pool.verify_state(self.region.id)
        except Exception:
            self._run_on()
            raise

    def _run_on(self):
        # As after a drill: now, or with the next check.
        self._examiner.drilled = True
        self._resume()

    def _snapshot(self, attempt, copy):
        self._fixate_alone(attempt)
        try:
            copied = self._copied(copy)
        except CopyInterrupted:
            # It stays as it is for whoever fixates it next.
            self._examiner.drilled = True
            raise
        except Exception:
            self._run_on()
            raise
        self._run_on()
        return copied

    def _copied(self, copy):
        """Return what copy() returns, unless a fixation comes first.

        It is not waited for then: what hangs it may hang for ever.
        """
        result = concurrent.futures.Future()
        begun = self._begun

        def check():
            if self._asked != begun:
                raise CopyInterrupted()

        def run():
            try:
                result.set_result(copy(check))
            except Exception as e:
                result.set_exception(e)

        threading.Thread(target=run, daemon=True,
                         name='copy-' + self.name).start()
        while not concurrent.futures.wait([result], _INTERRUPTION).done:
            check()
        return result.result()

    def _resume(self):
        if not self._arming.disarm():
            raise PowerFailedAgain()
        self._check_latest()
        try:
            runstate = self._examiner.runstate(connection.PATIENCE)
        except conditions.NotArmed as e:
            if e.condition.state != conditions.OFF:
                raise
            self._run_lock.release()
            self._examiner.drilled = self._examiner.held = False
            return None
        before = self._examiner.runstate_before_stop(runstate)
        done = None
        if before is not None:
            migration.clean_up(self._qemu.qmp, connection.PATIENCE)
            done = 'left %s' % before
            if before in migration.LIVE_RUNSTATES:
                self._run_lock.acquire(connection.PATIENCE)
                self._check_latest()
                self._pool.begin_epoch(self.region.id)
                self._qemu.qmp.command('cont', timeout=connection.PATIENCE)
                done = 'resumed'
            self._note.remove()
        self._run_lock.release()
        self._examiner.drilled = self._examiner.held = False
        self._check()
        return done

    def _end(self):
        if (self._qemu.reach(connection.PATIENCE) not in inspector.SAVED or
                not self._examiner.held or not self._examiner.proven()):
            return False
        ended = self._qemu.quit()
        self._check()
        return ended

    def _check_latest(self):
        # A proven state is not given up while power fails.
        if self._asked != self._begun:
            raise PowerFailedAgain()
