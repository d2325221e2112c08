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

"""Fixates one pVM: waits for the engine, or makes up for what it lacks."""

import contextlib
import dataclasses
from typing import Any

from nova_temporality.notifier.pvm import arming
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import connection
from nova_temporality.notifier.pvm import inspector
from nova_temporality.notifier.pvm import stopped_note
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.qemu import route
from nova_temporality import vpm
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock


class Fixator:
    """Fixates one pVM; to be used by its own thread only.

    :param region: of its memory
    :param qemu: of the pVM
    :param arming: of the pVM
    :param inspector: of the pVM
    :param note: that it was stopped
    :param run_lock: of its memory
    """

    def __init__(self, region: vpm.RegionInfo,
                 qemu: connection.Qemu, arming: arming.Arming,
                 inspector: inspector.Inspector,
                 note: stopped_note.StoppedNote,
                 run_lock: runlock.RunLock) -> None:
        self._region = region
        self._qemu = qemu
        self._arming = arming
        self._inspector = inspector
        self._note = note
        self._run_lock = run_lock

    def arm(self, timeout: float, before: str = '') -> None:
        """Hand QEMU over to the engine, for one fixation.

        :param timeout: seconds for each of QEMU's answers
        :param before: its run state before it was stopped for an earlier
                       event, if it was
        """
        self._arming.arm(
            self._qemu.connect_for_engine(timeout), timeout,
            route=self._qemu.route or route.MIGRATE,
            priority=self._qemu.priority, before=before)

    def fixate(self, attempt: attempts.Attempt) -> None:
        """Fixate it, unless the engine does already; settle the Attempt."""
        try:
            self._arming.find()
            # It may have been armed since the engine was fired.
            self._arming.fire(attempt.event, attempt.deadline_ns)
            outcome = self._arming.outcome()
            if outcome is None:
                outcome = self._fixate_unarmed(attempt)
            if outcome.result == attempts.SKIPPED:
                reason = conditions.NOTHING_TO_SAVE[outcome.runstate]
                outcome = dataclasses.replace(outcome, reason=reason)
            attempt.settle_as(outcome)
            self._inspector.note_state_size(outcome.length)
        except conditions.NotArmed as e:
            if e.condition.state == conditions.OFF:
                attempt.settle(attempts.SKIPPED, reason='no QEMU runs it')
            else:
                attempt.settle_as(self._failed(attempt, str(e)))
        except Exception as e:
            attempt.settle_as(self._failed(attempt, str(e)))
        # Nobody waits for what follows.
        self._adopt_lock()
        self._qemu.seen_live = False
        if self._qemu.is_prepared:
            try:
                self._inspector.clean_up()
            except (qmp_module.QmpError, migration.MigrationStuck):
                self._qemu.disconnect()  # tried again with the next connection

    def _fixate_unarmed(self, attempt: attempts.Attempt) -> outcomes.Outcome:
        """Do now what was not done while power was good."""
        self._inspector.refuse_while_moving()
        self._inspector.refuse_nvdimms()
        # Kept until the outage is called off, whatever happens here:
        # nothing may start while power is failing.
        self._run_lock.acquire(attempt.left())
        runstate = self._inspector.runstate(attempt.left())
        if runstate in conditions.NOTHING_TO_SAVE:
            return self._without_engine(attempt, attempts.SKIPPED,
                                        runstate=runstate)
        if not self._qemu.is_prepared:
            self._inspector.prepare()
        event, before = attempt.event, ''
        stopped = self._note.read(self._qemu.qmp.pid)
        if stopped and runstate not in migration.LIVE_RUNSTATES:
            before = stopped.runstate
            event = dataclasses.replace(event, raised_by=tuple(sorted(
                {*event.raised_by, *stopped.raised_by})))
        # If it has just ended, another one is being started.
        self._arming.await_engine(attempt.left())
        self.arm(attempt.left(), before)
        self._arming.fire(event, attempt.deadline_ns)
        outcome = self._arming.outcome()
        if outcome is None:
            raise qmp_module.QmpConnectionError('QEMU has just ended')
        return outcome

    def _failed(self, attempt: attempts.Attempt,
                reason: str) -> outcomes.Outcome:
        return self._without_engine(attempt, attempts.FAILED, reason=reason)

    def _without_engine(self, attempt: attempts.Attempt, result: str,
                        **details: Any) -> outcomes.Outcome:
        """Record and return an Outcome that the engine had no part in."""
        outcome = outcomes.Outcome(
            self._region.name, result, region=self._region.id,
            wall_ns=attempt.event.wall_ns,
            signal_ns=attempt.event.monotonic_ns,
            raised_by=attempt.event.raised_by, **details)
        # The report has it all the same.
        with contextlib.suppress(vpm.EngineAway):
            self._arming.record(outcome)
        return outcome

    def _adopt_lock(self) -> None:
        """Keep the run lock that the engine has taken on our behalf."""
        try:
            self._run_lock.acquire(0)
        except runlock.RunLockTimeout:
            pass  # it did not get it
