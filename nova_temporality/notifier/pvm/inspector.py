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

That is told by QEMU, the pool and the note that it was stopped, never by
memory of this process, which may be killed and started again at any time.
"""

import os

from oslo_log import log as logging

from nova_temporality.host import paths
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import blockers
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import connection
from nova_temporality.qemu import migration
from nova_temporality import vpm
from nova_temporality.vpm import runlock

LOG = logging.getLogger(__name__)

# Id of the memory backend in the command line that the driver gives QEMU.
_MEMORY_BACKEND = '/objects/nvram'

# Run states after a save, by either route.
SAVED = ('postmigrate', 'paused')


class Examiner:
    """Examines one pVM.

    :param pool: vpm.Pool
    :param region: vpm.RegionInfo of its memory
    :param one: qemu.Qemu
    :param note: note.StoppedNote
    :param run_lock: runlock.RunLock
    :param platform: platform.Platform
    :param run_dir: [temporality] run_dir
    :ivar raised_by: who wanted it to stand still, as far as that is known
    :ivar drilled: whether it stands still for a drill only, which is over, or
                   for a suspend that failed
    :ivar held: whether whoever raised an outage has to call it off first
    :ivar largest_state: bytes, of its states so far
    """

    def __init__(self, pool, region, one, note, run_lock, platform, run_dir):
        self.raised_by = ()
        self.drilled = False
        self.held = False
        self.largest_state = 0
        self._pool = pool
        self._region = region
        self._qemu = one
        self._note = note
        self._run_lock = run_lock
        self._platform = platform
        self._recovering_note = paths.recovering_note(run_dir, region.name)
        self._moving_note = paths.moving_note(run_dir, region.name)
        # One block of a state file is its header.
        self._state_room = pool.info().state_size - 4096

    def examine(self):
        """Return the Condition that QEMU is in; ARMED if it could be.

        :raises: conditions.NotArmed, qmp.QmpError, vpm.VpmError
        """
        self.raised_by = ()
        self.refuse_while_moving()
        runstate = self.runstate(connection.PATIENCE)
        if runstate in conditions.NOTHING_TO_SAVE:
            return conditions.Condition(
                conditions.NOT_ARMED, conditions.NOTHING_TO_SAVE[runstate])
        if not self._qemu.prepared:
            self.prepare()
        if runstate in migration.LIVE_RUNSTATES:
            self._note_live()
        else:
            before = self.runstate_before_stop(runstate)
            if before is not None:
                return self._stand_still(before)
            if runstate == 'postmigrate' and not self.proven():
                return conditions.Condition(
                    conditions.NOT_ARMED, 'it was saved before and has not '
                    'run since, so QEMU cannot save it again',
                    'unpause the server')
        obstacle = self.obstacle()
        if obstacle:
            return conditions.Condition(conditions.NOT_ARMED, *obstacle)
        return conditions.Condition(conditions.ARMED)

    def runstate(self, timeout):
        """Return QEMU's run state, as it matters here.

        A QEMU that has loaded its state stands still as one does that was
        fixated, but is nova-compute's: it will advance the epoch, and until
        then what was loaded stays valid.

        :param timeout: seconds
        """
        runstate = self._qemu.reach(timeout)
        # Reading the whole state comes last: power may be failing.
        if (runstate in SAVED and os.path.exists(self._recovering_note) and
                not self._note.read(self._qemu.qmp.pid) and self.proven()):
            return 'inmigrate'
        return runstate

    def is_moving(self):
        """Whether it is being migrated live, by QEMU's only migration."""
        return os.path.exists(self._moving_note)

    def refuse_while_moving(self):
        """Raise conditions.NotArmed if it is being migrated live."""
        if self.is_moving():
            raise conditions.NotArmed(
                conditions.NOT_ARMED, 'it is being migrated live',
                'wait until that has ended')

    def obstacle(self):
        """Return what is in the way of a fixation, and its remedy."""
        qmp = self._qemu.qmp
        return (
            blockers.blockers(qmp, connection.PATIENCE) or
            blockers.disks(qmp, self._region.is_vpm, connection.PATIENCE) or
            blockers.state_size(qmp, self._state_room, self.largest_state,
                                connection.PATIENCE) or
            blockers.swap(self._pool.stats(self._region.id)))

    def prepare(self):
        """Check that its memory survives, and is the region's."""
        problem = self._platform.problem()
        if problem:
            # A fixation would not be worth its marker.
            raise conditions.NotArmed(conditions.NOT_ARMED, problem,
                                      self._platform.remedy)
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
                'reboot the server hard')
        # A notifier that was killed could have left its traces.
        self.clean_up()
        self._qemu.prepared = True

    def clean_up(self):
        """Undo what an attempt set in QEMU, but for the stop."""
        qmp = self._qemu.qmp
        if self._note.read(qmp.pid) is not None:
            migration.clean_up(qmp, connection.PATIENCE)
        else:
            # If a migration is under way, then it is libvirt's.
            migration.clear_capabilities(qmp, connection.PATIENCE)

    def proven(self):
        """Return the StateInfo of the region's proven state, or None."""
        try:
            return self._pool.verify_state(self._region.id)
        except vpm.Unproven:
            return None

    def runstate_before_stop(self, runstate):
        """Return its run state before a notifier stopped it, or None."""
        stopped = self._note.read(self._qemu.qmp.pid)
        if stopped:
            return stopped.runstate
        if runstate in SAVED:
            # A pVM that was paused anyway needs nobody to resume it.
            state = self.proven()
            if state and state.meta.runstate in migration.LIVE_RUNSTATES:
                return state.meta.runstate
        return None

    def _note_live(self):
        """Somebody started the vCPUs: no state may be left that is proven."""
        if self._qemu.seen_live:
            return
        if self.proven():
            LOG.warning('The vCPUs of %s were started beside its proven '
                        'state, which is invalidated now. Never start a '
                        'fixated pVM by hand: "temporality resume" does '
                        'it safely', self._region.name)
            self._pool.begin_epoch(self._region.id)
        self._note.remove()
        self._qemu.seen_live = True

    def _stand_still(self, before):
        """Keep what an earlier notifier stopped from being started."""
        stopped = self._note.read(self._qemu.qmp.pid)
        self.raised_by = stopped.raised_by if stopped else ()
        # Perhaps of a notifier that was killed in the midst of it.
        self.drilled = (bool(self.raised_by) and not self.held and
                        power.NO_OUTAGE.issuperset(self.raised_by))
        try:
            self._run_lock.acquire(0)
        except runlock.RunLockTimeout:
            pass  # nova-compute is about to start it
        if self.proven():
            return conditions.Condition(
                conditions.FIXATED, 'it was %s when power failed' % before,
                'when power is back: temporality resume')
        return conditions.Condition(
            conditions.STOPPED, 'its fixation failed; it was %s when power '
            'failed' % before, 'when power is back: temporality resume')
