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

"""nova-compute starts after a live migration that it saw no end of."""

import os
from unittest import mock

import fixtures
import libvirt
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova import objects

from nova_temporality.host import paths
from nova_temporality.privsep import runs
from nova_temporality.virt import binding
from nova_temporality.virt import domain_record
from nova_temporality.virt.recovery import manager
from nova_temporality.virt import server as pvm_server
from nova_temporality.vpm import runlock
from tests.unit.virt.recovery import recovery_base

OTHER = recovery_base.XML % '/of/another/host/ram'

NOTE = 'temporality_internal_target_memory_path'


class MovedTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.server.task_state = task_states.MIGRATING
        self.server.system_metadata[NOTE] = '/there'
        self.live_migrations = [objects.Migration(
            id=1, status='running', dest_compute='there')]
        self.forget = self.useFixture(fixtures.MockPatchObject(
            binding, 'forget', side_effect=lambda _context, _uuid:
            self.server.system_metadata.pop(NOTE))).mock
        self.recorded = self.useFixture(fixtures.MockPatchObject(
            pvm_server.PersistentServer, 'record_domain')).mock

    def nova_starts(self):
        """What Nova's start makes of the migration and its task."""
        self.server.task_state = None
        for migration in self.live_migrations:
            migration.status = 'error'

    def recover(self):
        """nova-compute starts; Nova itself does its part in between."""
        manager.look(self.driver, self.server)
        self.nova_starts()
        return self.recover_all(self.server)[0]

    def test_gone_perhaps_to_the_target(self):
        self.fixate()
        self.recover()
        self.assertIsNone(self.domain)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertIn('there', self.faults[0])
        # "openstack server event list" says so
        self.assertTrue(self.event_finish_with_failure.called)
        self.recover()
        self.assertIsNone(self.domain)
        self.assertTrue(self.proven())

    def test_come_from_there(self):
        """Its arrival was not noted to the end, but Nova has it here."""
        self.live_migrations = [
            objects.Migration(id=1, status='error', dest_compute='there'),
            objects.Migration(id=2, status='completed', dest_compute='host')]
        self.server.task_state = None
        self.fixate()
        self.assertIsNone(self.recover())
        self.assertEqual([], self.faults)
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertNotIn(NOTE, self.server.system_metadata)

    def test_not_booted_where_it_moved_away_from(self):
        self.set_option('on_unproven_state', 'cold-boot')
        self.recover()
        self.assertFalse(self.reboot.called)
        self.assertIn('there', self.faults[0])

    def test_gone_before_it_began(self):
        self.live_migrations[0].status = 'preparing'
        self.fixate()
        self.recover()
        self.assertEqual([], self.faults)
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_nova_does_not_say_how_far_it_has_come(self):
        objects.MigrationList.get_in_progress_by_instance.side_effect = OSError
        self.fixate()
        self.recover()
        self.assertIn('there', self.faults[0])
        self.assertIsNone(self.domain)

    def still_here(self, job):
        self.make_domain(power_state.RUNNING)
        self.domain.jobStats.side_effect = lambda *_args: {'type': job[0]}
        runs.begin_move(self.pool_path, self.run_dir, self.server.uuid)
        # nova-compute ended
        runs._held.pop(self.server.uuid).lock.close()
        return self.recover()

    def is_disarmed(self):
        return os.path.exists(paths.moving_note(self.run_dir,
                                                self.server.uuid))

    def test_it_is_called_off(self):
        job = [libvirt.VIR_DOMAIN_JOB_UNBOUNDED]
        self.assertIn('domjobinfo', self.still_here(job))
        self.assertTrue(self.domain.abortJob.called)
        # not to be fixated, however often it is tried
        self.assertTrue(self.is_disarmed())
        self.assertIn('domjobinfo', self.recover())
        self.assertTrue(self.is_disarmed())
        self.assertFalse(self.forget.called)
        # It runs, so it is no error to its tenant.
        self.assertEqual([], self.faults)
        job[0] = libvirt.VIR_DOMAIN_JOB_NONE
        self.assertIsNone(self.recover())
        self.assertTrue(self.forget.called)
        self.assertFalse(self.recorded.called)
        self.assertFalse(self.is_disarmed())
        with runlock.RunLock(self.region):
            pass

    def test_migration_of_this_run_is_left_alone(self):
        """Its user was faster than the recovery, which has nothing to do."""
        self.make_domain(power_state.RUNNING)
        job = [libvirt.VIR_DOMAIN_JOB_NONE]
        self.domain.jobStats.side_effect = lambda *_args: {'type': job[0]}
        for job[0] in (libvirt.VIR_DOMAIN_JOB_NONE,
                       libvirt.VIR_DOMAIN_JOB_UNBOUNDED):
            # Nova's start has ended all earlier ones, so this is a new one.
            self.server.task_state = task_states.MIGRATING
            self.assertIsNone(
                self.driver.recoveries._try(self.server.uuid))
            self.assertFalse(self.domain.abortJob.called)
            self.assertFalse(self.forget.called)

    def test_it_had_no_record_yet(self):
        with mock.patch.object(domain_record, 'read', return_value=OTHER):
            self.still_here([libvirt.VIR_DOMAIN_JOB_NONE])
        self.assertTrue(self.recorded.called)

    def test_it_ends_meanwhile(self):
        self.make_domain(power_state.RUNNING)

        def abort():
            self.domain = None
            raise libvirt.libvirtError('no domain')

        self.domain.abortJob.side_effect = abort
        self.domain.jobStats.return_value = {
            'type': libvirt.VIR_DOMAIN_JOB_UNBOUNDED}
        self.assertIn('domjobinfo', self.recover())
        self.assertIn('there', self.recover())
        self.assertEqual(vm_states.ERROR, self.server.vm_state)

    def test_record_of_another_host_is_not_used(self):
        del self.server.system_metadata[NOTE]
        self.fixate()
        with mock.patch.object(domain_record, 'read', return_value=OTHER):
            self.recover()
        self.assertIsNone(self.domain)
        self.assertIn('another host', self.faults[0])
        self.assertTrue(self.proven())
