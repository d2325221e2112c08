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
from nova_temporality.virt.recovery import moved
from nova_temporality.virt import server as pvm_server
from nova_temporality.vpm import runlock
from tests.unit.virt.recovery import recovery_base

OTHER = recovery_base.XML % '/of/another/host/ram'


class MovedTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.server.task_state = task_states.MIGRATING
        self.live_migrations = [
            objects.Migration(status='running', dest_compute='there')]
        self.forget = self.useFixture(fixtures.MockPatchObject(
            binding, 'forget')).mock
        self.recorded = self.useFixture(fixtures.MockPatchObject(
            pvm_server.PersistentServer, 'record_domain')).mock

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

    def test_gone_before_it_began(self):
        self.live_migrations[0].status = 'preparing'
        self.fixate()
        self.recover()
        self.assertEqual([], self.faults)
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def still_here(self, then=libvirt.VIR_DOMAIN_JOB_NONE):
        self.make_domain(power_state.RUNNING)
        self.domain.jobStats.side_effect = [
            {'type': libvirt.VIR_DOMAIN_JOB_UNBOUNDED}, {'type': then}]
        runs.begin_move(self.pool_path, self.run_dir, self.server.uuid)
        # nova-compute ended
        runs._held.pop(self.server.uuid).lock.close()
        self.recover()

    def test_it_is_called_off(self):
        self.still_here()
        self.assertTrue(self.domain.abortJob.called)
        self.assertEqual(2, self.domain.jobStats.call_count)
        self.assertTrue(self.forget.called)
        self.assertEqual([], self.faults)
        self.assertFalse(self.recorded.called)
        with runlock.RunLock(self.region):
            pass

    def test_it_is_not_called_off(self):
        self.useFixture(fixtures.MockPatchObject(
            moved, '_ABORT_PATIENCE', 0))
        self.still_here(libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertIn('domjobinfo', self.faults[0])
        # not to be fixated
        self.assertTrue(os.path.exists(paths.moving_note(
            self.run_dir, self.server.uuid)))

    def test_it_had_no_record_yet(self):
        with mock.patch.object(domain_record, 'read', return_value=OTHER):
            self.still_here()
        self.assertTrue(self.recorded.called)

    def test_it_ends_meanwhile(self):
        self.make_domain(power_state.RUNNING)

        def abort():
            self.domain = None
            raise libvirt.libvirtError('no domain')

        self.domain.abortJob.side_effect = abort
        self.domain.jobStats.return_value = {
            'type': libvirt.VIR_DOMAIN_JOB_NONE}
        self.recover()
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertIn('there', self.faults[0])

    def test_record_of_another_host_is_not_used(self):
        self.server.task_state = None
        self.live_migrations = []
        self.fixate()
        with mock.patch.object(domain_record, 'read', return_value=OTHER):
            self.recover()
        self.assertIsNone(self.domain)
        self.assertIn('another host', self.faults[0])
        self.assertTrue(self.proven())
