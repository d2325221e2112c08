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

"""A state is given up by nobody but its owner: what must leave it alone."""

from unittest import mock

import fixtures
import libvirt
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova import exception as nova_exception
from nova.virt import hardware
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality.privsep import regions
from nova_temporality.qemu import incoming
from nova_temporality.virt.actions import live_migration
from nova_temporality import vpm
from tests.unit.virt.recovery import recovery_base


class GivenUpTest(recovery_base.RecoveryTestCase):
    """A server that is still to be recovered."""

    def setUp(self):
        super().setUp()
        self.fixate()
        self.pvm = self.driver.servers.of(self.server)

    def power_state(self, state=power_state.SHUTDOWN):
        with fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver, 'get_info',
                return_value=hardware.InstanceInfo(state=state)):
            return self.driver.get_info(self.server).state

    def test_revert_of_a_resize_that_had_not_stopped_it(self):
        """Nova reverts what it finds migrating when it starts."""
        self.server.task_state = task_states.RESIZE_MIGRATING
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'finish_revert_migration') as reverted:
            self.driver.finish_revert_migration(
                self.context, self.server, [], mock.Mock(), None, True)
        self.assertFalse(reverted.called)
        self.assertTrue(self.proven())

    def test_unpause(self):
        self.server.vm_state = vm_states.PAUSED
        self.make_domain(power_state.SHUTDOWN)
        exc = self.assertRaises(nova_exception.InstanceFaultRollback,
                                self.driver.unpause, self.server)
        self.assertIn('still to be recovered',
                      exc.inner_exception.format_message())
        self.assertTrue(self.proven())

    def test_start_of_vcpus_without_a_qemu(self):
        self.make_domain(power_state.SHUTDOWN)
        self.assertRaises(nova_exception.InstanceNotRunning,
                          self.pvm.guest().resume)
        self.assertTrue(self.proven())

    def test_live_migration(self):
        self.make_domain(power_state.SHUTDOWN)
        self.assertRaisesRegex(
            nova_exception.MigrationPreCheckError, 'to be recovered',
            live_migration.check_source, self.driver._host, self.pvm)
        guest = live_migration.MovingGuest(self.domain, self.context,
                                           self.pvm)
        with mock.patch('nova_temporality.virt.binding.announced'), \
                mock.patch('nova_temporality.virt.domain.moved'):
            self.assertRaises(nova_exception.InstanceNotRunning,
                              guest.migrate, 'uri',
                              destination_xml='<domain/>')
        self.assertTrue(self.proven())

    def test_pool_that_cannot_be_read_just_now(self):
        with mock.patch.object(regions, 'proven_state',
                               side_effect=vpm.SystemCallFailed('EIO')):
            self.assertEqual(power_state.RUNNING, self.power_state())
            self.driver.resume_state_on_host_boot(
                self.context, self.server, [], None)
        self.assertFalse(self.reboot.called)

    def test_nobody_recovers_it_yet(self):
        """It was reset by an operator after recovery_retry was over, say."""
        self.assertEqual(power_state.RUNNING, self.power_state())
        self.added.assert_called_once_with(self.server.uuid)

    def test_fixated_qemu_is_not_taken_for_one_that_is_gone(self):
        self.assertEqual(power_state.RUNNING,
                         self.power_state(power_state.PAUSED))
        self.assertFalse(self.added.called)

    def test_hard_reboot_that_was_under_way_is_seen_to_be_off(self):
        """Nova repeats it at its start, which its user has asked for."""
        self.server.task_state = task_states.REBOOT_STARTED_HARD
        self.assertEqual(power_state.SHUTDOWN, self.power_state())

    def test_image_whose_server_does_not_run_on(self):
        self.load.side_effect = incoming.RecoveryError('not now')
        with mock.patch.object(self.driver,
                               '_needs_suspend_resume_for_snapshot',
                               return_value=True):
            self.assertRaisesRegex(
                nova_exception.NovaException, 'not now',
                self.driver._resume_guest_after_snapshot, self.context,
                False, power_state.RUNNING, self.server, None)
        self.added.assert_called_once_with(self.server.uuid)
        self.assertTrue(self.proven())


class StartTest(recovery_base.RecoveryTestCase):

    def test_one_odd_domain_does_not_stop_nova_compute(self):
        self.make_domain(power_state.RUNNING)
        self.domain.XMLDesc.side_effect = libvirt.libvirtError('hangs')
        self.driver.recoveries.start([self.server])
        self.added.assert_called_once_with(self.server.uuid)
