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
"""Storage that does not answer holds up its own server's recovery only."""

import threading

import fixtures
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import utils as compute_utils
from nova.compute import vm_states
from nova import exception as nova_exception
from nova import objects
from nova.virt import driver as virt_driver
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import exception
from nova_temporality.host import disk_notes
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt.recovery import manager
from tests.unit.virt import base
from tests.unit.virt.recovery import recovery_base

UUID = '1f0d1e3c-7b5a-4c1e-9a55-0c6f1a2b3c4d'


class HungStorageTest(recovery_base.RecoveryTestCase):
    """A volume driver that hangs: a dead NFS, an iSCSI target."""

    def setUp(self):
        super().setUp()
        self.connection_info = {'serial': UUID, 'data': {}}
        self.useFixture(fixtures.MockPatchObject(
            virt_driver, 'get_block_device_info',
            side_effect=lambda *_args: {'block_device_mapping': [{
                'connection_info': self.connection_info,
                'mount_device': '/dev/vdb', 'disk_bus': 'virtio',
                'device_type': 'disk'}]}))
        self.bdms = objects.BlockDeviceMappingList(objects=[
            objects.BlockDeviceMapping(
                volume_id=UUID, attachment_id=UUID, connection_info='{}',
                source_type='volume', destination_type='volume',
                instance_uuid=self.server.uuid)])
        objects.BlockDeviceMappingList.get_by_instance_uuid.side_effect = (
            lambda *_args: self.bdms)
        self.others = []
        self.useFixture(fixtures.MockPatchObject(
            objects.BlockDeviceMappingList, 'get_by_volume',
            side_effect=self.of_volume))
        self.connected = set()
        self.begun, self.answers = threading.Event(), threading.Event()
        self.addCleanup(self.answers.set)
        self.useFixture(fixtures.MockPatchObject(
            self.driver, '_connect_volume', side_effect=self.connect))
        self.useFixture(fixtures.MockPatchObject(
            self.driver, '_disconnect_volume', side_effect=lambda
            _context, _info, server, **_kwargs:
            self.connected.discard(server.uuid)))
        config = vconfig.LibvirtConfigGuestDisk()
        config.source_type, config.source_path = 'block', '/dev/null'
        config.source_device, config.target_dev = 'disk', 'vdb'
        config.target_bus = 'virtio'
        volume_driver = self.useFixture(fixtures.MockPatchObject(
            self.driver, '_get_volume_driver')).mock.return_value
        volume_driver.get_config.return_value = config
        self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'destroy'))
        self.fixate()

    def of_volume(self, _context, volume_id):
        if not self.others:
            raise nova_exception.VolumeBDMNotFound(volume_id=volume_id)
        return [objects.BlockDeviceMapping(instance_uuid=other.uuid)
                for other in self.others]

    def connect(self, _context, _info, server):
        self.begun.set()
        self.assertTrue(self.answers.wait(base.PATIENCE))
        self.connected.add(server.uuid)

    def begin(self):
        """A recovery whose storage hangs."""
        end = self.in_thread(
            lambda: self.driver.recoveries._try(self.server.uuid))
        self.assertTrue(self.begun.wait(base.PATIENCE))
        return end

    def delete(self):
        """Delete the server, as Nova does."""
        self.server.task_state = task_states.DELETING
        self.assertIsNone(self.in_thread(lambda: self.driver.destroy(
            self.context, self.server, []))())
        objects.Instance.get_by_uuid.side_effect = self.gone

    def gone(self, *_args, **_kwargs):
        raise nova_exception.InstanceNotFound(instance_id=self.server.uuid)

    def test_delete(self):
        end = self.begin()
        self.delete()
        self.answers.set()
        self.assertIsNone(end())
        self.assertEqual(set(), self.connected)
        self.assertIsNone(self.domain)
        self.assertEqual([], self.pool().regions())

    def test_silence_is_told(self):
        told = threading.Event()
        self.event_finish_with_failure.side_effect = (
            lambda *_args, **_kwargs: told.set())
        with fixtures.MockPatchObject(manager, '_SILENCE', 0.01):
            end = self.begin()
            self.assertTrue(told.wait(base.PATIENCE))
        self.answers.set()
        self.assertIsNone(end())

    def test_disks_that_do_not_answer(self):
        """They are connected, but cannot be opened."""
        self.answers.set()
        self.useFixture(fixtures.MockPatchObject(
            disk_notes, 'compare', side_effect=self.compare))
        self.may_compare = threading.Event()
        self.addCleanup(self.may_compare.set)
        end = self.begin()
        self.delete()
        self.may_compare.set()
        self.assertIsNone(end())
        self.assertEqual(set(), self.connected)

    def compare(self, *_args):
        self.assertTrue(self.may_compare.wait(base.PATIENCE))
        return disk_notes.Comparison([], True)

    def test_stop(self):
        end = self.begin()
        with fixtures.MockPatchObject(libvirt_driver.LibvirtDriver,
                                      'power_off'):
            self.assertIsNone(self.in_thread(
                lambda: self.driver.power_off(self.server))())
        self.server.vm_state = vm_states.STOPPED
        self.answers.set()
        self.assertIsNone(end())
        self.assertIsNone(self.domain)
        self.assertEqual([], self.faults)

    def test_comes_back_when_its_storage_answers(self):
        end = self.begin()
        self.answers.set()
        self.assertIsNone(end())
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertEqual({self.server.uuid}, self.connected)
        # It is another's from now on to disconnect it.
        objects.Instance.get_by_uuid.side_effect = self.gone
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.assertEqual({self.server.uuid}, self.connected)

    def test_comes_up_after_the_host(self):
        """The normal case of a site: it is tried again by itself."""
        self.driver._connect_volume.side_effect = OSError('no route to host')
        told = threading.Event()
        told_fault = compute_utils.add_instance_fault_from_exc.side_effect

        def tell(*args):
            told_fault(*args)
            told.set()

        compute_utils.add_instance_fault_from_exc.side_effect = tell
        with fixtures.MockPatchObject(keeper, '_DELAY_MIN', 0.01):
            end = self.in_thread(lambda: self.driver.recoveries._retry(
                self.server.uuid, threading.Event()))
            self.assertTrue(told.wait(base.PATIENCE))
            self.answers.set()
            self.driver._connect_volume.side_effect = self.connect
            self.assertIsNone(end())
        for word in UUID, 'no route to host':
            self.assertIn(word, self.faults[0])
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_evacuated(self):
        """It is not known at once whether the evacuation succeeds."""
        end = self.begin()
        self.evacuations.append(objects.Migration(
            status='accepted', dest_compute='there'))
        self.answers.set()
        self.assertIn('evacuated', end())
        self.assertIsNone(self.domain)
        self.evacuations.clear()
        self.server.host = 'there'
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.assertEqual(set(), self.connected)

    def attach_otherwise(self):
        self.bdms = objects.BlockDeviceMappingList(objects=[
            objects.BlockDeviceMapping(
                volume_id=UUID, attachment_id=UUID, connection_info='{"x":1}',
                source_type='volume', destination_type='volume',
                instance_uuid=self.server.uuid)])

    def test_other_attachment_when_it_would_run(self):
        self.answers.set()
        self.load.side_effect = lambda *_args: self.attach_otherwise()
        self.assertIn('attached', self.driver.recoveries._try(
            self.server.uuid))
        self.assertFalse(self.domain.resume.called)
        self.assertEqual(power_state.SHUTDOWN, self.domain.state)
        self.assertTrue(self.proven())
        self.load.side_effect = None
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.assertTrue(self.domain.resume.called)

    def test_other_attachment_by_now(self):
        """Its connection may be another one, its volume another server's."""
        end = self.begin()
        self.attach_otherwise()
        self.answers.set()
        self.assertIn('attach', end())
        self.assertIsNone(self.domain)
        self.assertTrue(self.proven())
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.assertTrue(self.domain.resume.called)

    def test_other_machine_by_now(self):
        end = self.begin()
        with open(self.directory + '/temporality-domain.xml', 'a') as record:
            record.write('<!-- -->')
        self.answers.set()
        self.assertIn('machine', end())
        self.assertIsNone(self.domain)

    def deleted_while_another_has_its_volume(self, host):
        end = self.begin()
        other = self.make_server(persistent=False)
        other.host = host
        other.uuid = '2f0d1e3c-7b5a-4c1e-9a55-0c6f1a2b3c4d'

        def get(_context, uuid, expected_attrs=None):
            return other if uuid == other.uuid else self.gone()

        self.others.append(other)
        objects.Instance.get_by_uuid.side_effect = get
        self.answers.set()
        end()

    def test_volume_that_another_server_of_this_host_has_by_now(self):
        """To disconnect it would pull it away from that server."""
        self.deleted_while_another_has_its_volume('host')
        self.assertEqual({self.server.uuid}, self.connected)

    def test_volume_that_a_server_of_another_host_has_by_now(self):
        self.deleted_while_another_has_its_volume('there')
        self.assertEqual(set(), self.connected)

    def test_volume_of_which_nobody_can_tell(self):
        end = self.begin()
        objects.Instance.get_by_uuid.side_effect = self.gone
        objects.BlockDeviceMappingList.get_by_volume.side_effect = OSError
        self.answers.set()
        end()
        self.assertEqual({self.server.uuid}, self.connected)

    def test_connection_that_fails_after_all(self):
        """What was connected before it is not left connected either."""
        self.answers.set()
        self.driver._connect_volume.side_effect = OSError('no such target')
        self.connected.add(self.server.uuid)
        self.assertIn('no such target',
                      self.driver.recoveries._try(self.server.uuid))
        objects.Instance.get_by_uuid.side_effect = self.gone
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.assertEqual(set(), self.connected)

    def test_suspended_one_that_is_deleted(self):
        self.server.vm_state = vm_states.SUSPENDED
        end = self.in_thread(
            lambda: self.driver.resume(self.context, self.server, []))
        self.assertTrue(self.begun.wait(base.PATIENCE))
        self.delete()
        self.answers.set()
        self.assertIsInstance(end(), exception.Gone)
        self.assertEqual(set(), self.connected)
        self.assertIsNone(self.domain)

    def test_cold_boot(self):
        self.set_option('on_unproven_state', 'cold-boot')
        self.pool().begin_epoch(self.region.id)
        end = self.begin()
        self.delete()
        self.answers.set()
        self.assertIsNone(end())
        self.assertFalse(self.reboot.called)
        self.assertEqual(set(), self.connected)

    def test_cold_boot_tells_of_its_volume_itself(self):
        self.set_option('on_unproven_state', 'cold-boot')
        self.pool().begin_epoch(self.region.id)
        self.driver._connect_volume.side_effect = OSError('no such target')
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.assertTrue(self.reboot.called)
