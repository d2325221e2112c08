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

"""Finds out what condition a pVM's QEMU is in.

QEMU, the pool and the note that it was stopped say so; the memory of this
process does not count, as it may be killed and started again at any time.
"""

import os

from oslo_log import log as logging

from nova_temporality.host import cpu_notes
from nova_temporality.host import notes
from nova_temporality.notifier import persistence_domain
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import blockers
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import connection
from nova_temporality.notifier.pvm import facts
from nova_temporality.notifier.pvm import stopped_note
from nova_temporality.qemu import cpu
from nova_temporality.qemu import migration
from nova_temporality import vpm
from nova_temporality.vpm import runlock

LOG = logging.getLogger(__name__)

# Id of the memory backend in the command line that the driver gives QEMU.
_MEMORY_BACKEND = '/objects/nvram'

# Run states after a save, by either route.
SAVED = ('postmigrate', 'paused')

# Why nova-compute keeps a pVM from being fixated, what to do, and the code.
_MOVING = {
    notes.MOVES: ('it is being migrated live', 'wait until that has ended',
                  conditions.MOVES),
    notes.CHANGES: ('its machine is being changed',
                    'wait until that has ended', conditions.CHANGES),
    notes.NOT_ON_RECORD: (
        'its machine was changed, and is not on record',
        "see nova-compute's log for what is in the way, then restart "
        'nova-compute', conditions.NOT_ON_RECORD)}


class Inspector:
    """Inspects one pVM.

    :param pool: that has its memory
    :param region: of its memory
    :param qemu: of the pVM
    :param note: that it was stopped
    :param run_lock: of its memory
    :param platform: whether CPU caches survive
    :param run_dir: [temporality] run_dir
    """

    def __init__(self, pool: vpm.Pool, region: vpm.RegionInfo,
                 qemu: connection.Qemu, note: stopped_note.StoppedNote,
                 run_lock: runlock.RunLock,
                 platform: persistence_domain.Platform,
                 run_dir: str) -> None:
        self._pool = pool
        self._region = region
        self._qemu = qemu
        self._note = note
        self._run_lock = run_lock
        self._platform = platform
        self._run_dir = run_dir
        # One block of a state file is its header.
        self._state_room = pool.info().state_size - 4096
        self._raised_by: tuple[str, ...] = ()
        self._is_held = False
        self._must_resume = False
        self._largest_state = 0

    @property
    def raised_by(self) -> tuple[str, ...]:
        """Who had it stopped, as far as that is known."""
        return self._raised_by

    @property
    def is_held(self) -> bool:
        """Whether an outage is to be called off before it may run."""
        return self._is_held

    @property
    def must_resume(self) -> bool:
        """Whether it stands still although no outage is on.

        That is after a drill, a suspend or a snapshot that is over or failed.
        """
        return self._must_resume

    def hold(self) -> None:
        """An outage is on: it stands still until that is called off."""
        self._must_resume = False
        self._is_held = True

    def resume_later(self) -> None:
        """Let it run on as soon as that is possible."""
        self._must_resume = True

    def expect_no_resume(self) -> None:
        """Nothing is left to be resumed: its QEMU has ended."""
        self._must_resume = False

    def release(self) -> None:
        """It was resumed, or need not be."""
        self._must_resume = self._is_held = False

    def note_state_size(self, size: int) -> None:
        """Take note of the size of a saved state, in bytes."""
        self._largest_state = max(self._largest_state, size)

    def inspect(self, is_armed: bool = False) -> conditions.Condition:
        """Return the Condition that QEMU is in; ARMED if it could be.

        :param is_armed: it may be fired at any instant: nothing is changed
        :raises: conditions.NotArmed, qmp.QmpError, vpm.VpmError
        """
        self._raised_by = ()
        self.refuse_while_moving()
        runstate = self.runstate(connection.PATIENCE)
        if runstate in conditions.NOTHING_TO_SAVE:
            return conditions.Condition(
                conditions.NOT_ARMED, conditions.NOTHING_TO_SAVE[runstate])
        if not self._qemu.is_prepared:
            self.prepare(is_armed)
        if is_armed:
            self._qemu.seen_live = runstate in migration.LIVE_RUNSTATES
        elif runstate in migration.LIVE_RUNSTATES:
            self._note_live()
        else:
            # If it runs again it is looked at anew.
            self._qemu.seen_live = False
            before = self.runstate_before_stop(runstate)
            if before is not None:
                return self._keep_stopped(before)
            if runstate == 'postmigrate' and not self.proven_state():
                return conditions.Condition(
                    conditions.NOT_ARMED, 'it was saved before and has not '
                    'run since, so QEMU cannot save it again',
                    'unpause the server', conditions.SAVED_BEFORE)
        blocker = self.blocker()
        if blocker:
            return conditions.Condition(conditions.NOT_ARMED, *blocker)
        return conditions.Condition(
            conditions.ARMED, *conditions.STANDS_STILL.get(runstate, ()))

    def runstate(self, timeout: float) -> str:
        """Return QEMU's run state, as it matters here.

        A QEMU that has loaded its state stands still like one that was
        fixated, but belongs to nova-compute, which will advance the epoch.
        Until then the state that was loaded stays valid.

        :param timeout: seconds
        """
        runstate = self._qemu.reach(timeout)
        # Reading the whole state comes last: power may be failing.
        if (runstate in SAVED and
                notes.is_recovering(self._run_dir, self._region.name) and
                not self._note.read(self._qemu.qmp.pid) and
                self.proven_state()):
            return 'inmigrate'
        return runstate

    def is_moving(self) -> bool:
        """Whether nova-compute keeps it from being fixated.

        It is being migrated live, by QEMU's only migration, or its machine
        changes.
        """
        return notes.why_moving(self._run_dir, self._region.name) is not None

    def refuse_while_moving(self) -> None:
        """Raise conditions.NotArmed if nova-compute keeps it from that."""
        why = notes.why_moving(self._run_dir, self._region.name)
        if why is not None:
            raise conditions.NotArmed(conditions.NOT_ARMED, *_MOVING[why])

    def refuse_nvdimms(self) -> None:
        """Raise conditions.NotArmed if an NVDIMM would lose its memory.

        Its state might survive on another one, and be believed.
        """
        blocker = blockers.nvdimms(self._platform.nvdimms)
        if blocker:
            raise conditions.NotArmed(conditions.NOT_ARMED, *blocker)

    def blocker(self) -> blockers.Blocker | None:
        """Return what blocks a fixation, if something does."""
        return self._blocker(self._qemu.ask(connection.PATIENCE))

    def is_as_it_was(self) -> bool:
        """Whether an armed pVM may stay so; QEMU is asked, and not changed.

        :raises: qmp.QmpError, vpm.VpmError
        """
        known = self._qemu.ask(connection.PATIENCE)
        return (self._qemu.seen_live ==
                (known.runstate in migration.LIVE_RUNSTATES) and
                self._blocker(known) is None)

    def _blocker(self, known: facts.Facts) -> blockers.Blocker | None:
        return (
            blockers.nvdimms(self._platform.nvdimms) or
            blockers.blocked_reasons(known.migration) or
            blockers.disks(known.disks, self._region.is_vpm) or
            blockers.state_size(known.memory, self._state_room,
                                self._largest_state) or
            (self._swap_blocker() if self._region.is_vpm else None))

    def swap_works(self) -> bool:
        """Whether a paged pVM can be fixated; for any thread."""
        return self._swap_blocker() is None

    def _swap_blocker(self) -> blockers.Blocker | None:
        return blockers.swap(self._pool.stats(self._region.id))

    def prepare(self, is_armed: bool = False) -> None:
        """Check that its memory survives, and is the region's.

        :param is_armed: see inspect()
        """
        problem = self._platform.problem()
        if problem:
            # The marker of a fixation would promise too much.
            raise conditions.NotArmed(conditions.NOT_ARMED, problem,
                                      self._platform.remedy,
                                      conditions.MEMORY_UNSAFE)
        memory = {name: self._qemu.qmp.command(
            'qom-get', {'path': _MEMORY_BACKEND, 'property': name},
            timeout=connection.PATIENCE) for name in ('mem-path', 'share')}
        if (os.path.realpath(memory['mem-path']) !=
                os.path.realpath(self._region.memory_path) or
                memory['share'] is not True):
            raise conditions.NotArmed(
                conditions.NOT_ARMED, 'the memory of its QEMU is %s instead '
                'of %s, shared' % (memory['mem-path'],
                                   self._region.memory_path),
                'hard-reboot the server', conditions.OTHER_MEMORY)
        self._note_cpu()
        if not is_armed:
            # The engine may have been killed in the middle of a save.
            self.clean_up()
        self._qemu.is_prepared = True

    def _note_cpu(self) -> None:
        """Note what its vCPUs can do, for the host that it is recovered on."""
        try:
            cpu_notes.take(self._pool.path, self._region,
                           cpu.words(self._qemu.qmp, connection.PATIENCE))
        except OSError as e:
            LOG.warning('What the vCPUs of %s can do is not noted, and will '
                        'not be compared: %s', self._region.name, e)

    def clean_up(self) -> None:
        """Undo what an attempt set in QEMU, except for the stop."""
        qmp = self._qemu.qmp
        if self._note.read(qmp.pid) is not None:
            migration.clean_up(qmp, connection.PATIENCE)
        else:
            # If a migration is under way, then it is libvirt's.
            migration.clear_capabilities(qmp, connection.PATIENCE)

    def proven_state(self) -> vpm.StateInfo | None:
        """Return the region's proven state, or None."""
        try:
            return self._pool.verify_state(self._region.id)
        except vpm.Unproven:
            return None

    def runstate_before_stop(self, runstate: str) -> str | None:
        """Return its run state before a notifier stopped it, or None.

        :param runstate: the present one
        """
        stopped = self._note.read(self._qemu.qmp.pid)
        if stopped:
            return stopped.runstate
        if runstate in SAVED:
            # A pVM that was paused already need not be resumed.
            state = self.proven_state()
            if state and state.meta.runstate in migration.LIVE_RUNSTATES:
                return state.meta.runstate
        return None

    def _note_live(self) -> None:
        """Its vCPUs run: make sure that no state stays proven."""
        if self._qemu.seen_live:
            return
        if self.proven_state():
            LOG.warning('The vCPUs of %s were started, but its proven state '
                        'was still valid; it is invalidated now. Never start '
                        'a fixated pVM by hand: "temporality resume" does it '
                        'safely', self._region.name)
            self._pool.begin_epoch(self._region.id)
        self._note.remove()
        self._qemu.seen_live = True

    def _keep_stopped(self, before: str) -> conditions.Condition:
        """Keep a pVM that a notifier stopped from being started."""
        stopped = self._note.read(self._qemu.qmp.pid)
        self._raised_by = stopped.raised_by if stopped else ()
        # The notifier that stopped it may have been killed before it could
        # resume it.
        self._must_resume = (bool(self._raised_by) and not self._is_held and
                             power.NO_OUTAGE.issuperset(self._raised_by))
        try:
            self._run_lock.acquire(0)
        except runlock.RunLockTimeout:
            pass  # nova-compute is about to start it
        if self.proven_state():
            return conditions.Condition(
                conditions.FIXATED, 'it was %s when power failed' % before,
                'when power is back: temporality resume')
        return conditions.Condition(
            conditions.STOPPED, 'its fixation failed; it was %s when power '
            'failed' % before, 'when power is back: temporality resume',
            conditions.FIXATION_FAILED)
