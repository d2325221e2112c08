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

"""What the driver does to pVMs beyond their XML."""

import contextlib
import fcntl
from importlib import metadata
import os
from unittest import mock

import fixtures
from nova.compute import power_state
from nova.compute import provider_tree
from nova.compute import utils as compute_utils
from nova import exception as nova_exception
from nova.virt import event as virtevent
from nova.virt import fake
from nova.virt import hardware
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest
from oslo_utils.fixture import uuidsentinel as uuids
from oslo_utils import timeutils

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import paths
from nova_temporality.privsep import runs
from nova_temporality.spec import persistence
from nova_temporality.virt import agent
from nova_temporality.virt import conductor
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import driver
from nova_temporality.virt import events
from nova_temporality.virt import loader
from nova_temporality.virt import orphans
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt.recovery import manager
from nova_temporality.virt.recovery import ownership
from nova_temporality import vpm
from nova_temporality.vpm import lease
from tests.framework import pools
from tests.unit.virt import base

NODE = 'node'


class LoaderTest(base.DriverTestCase):

    def test_nova_finds_the_driver(self):
        from nova.virt import driver as virt_driver
        self.flags(compute_driver='temporality.TemporalityDriver')
        loaded = virt_driver.load_compute_driver(fake.FakeVirtAPI())
        self.assertIs(driver.TemporalityDriver, type(loaded))

    def test_nova_is_too_old(self):
        """Nova ends, and its log says why, before imports fail."""
        from nova.virt import driver as virt_driver
        self.flags(compute_driver='temporality.TemporalityDriver')
        with mock.patch.object(metadata, 'version', return_value='26.2.2'):
            self.assertRaises(SystemExit, virt_driver.load_compute_driver,
                              fake.FakeVirtAPI())
        self.assertIn('is 26.2.2, older than 33.0.0',
                      self.stdlog.logger.output)

    def test_alias_is_no_bag_of_anything(self):
        module = __import__(loader.ALIAS, fromlist=['nothing'])
        self.assertRaises(AttributeError, getattr, module, 'Nothing')


class DecisionTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.spawned = self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'spawn')).mock

    def spawn(self, server):
        self.driver.spawn(self.context, server, self.image(), [], None, {},
                          network_info=[], block_device_info=None)

    def test_wish_is_frozen_and_space_is_taken(self):
        server = self.make_server(metadata={'persistent': 'true'})
        self.spawn(server)
        self.assertTrue(persistence.is_pvm(server))
        self.assertEqual(1, self.saved.call_count)
        self.assertEqual(16 << 20, self.pool().lookup(server.uuid).size)
        self.assertTrue(self.spawned.called)

    def test_others_take_none(self):
        server = self.make_server()
        self.spawn(server)
        self.assertIs(False, persistence.decision(server))
        self.assertEqual([], self.pool().regions())
        # Nova does that by itself
        self.assertFalse(self.saved.called)

    def test_a_frozen_decision_is_final(self):
        # unshelve, evacuation and the second half of a rebuild spawn, too
        for persistent, value in ((False, 'true'), (False, 'maybe'),
                                  (True, 'false'), (True, 'maybe')):
            server = self.make_server(metadata={'persistent': value},
                                      persistent=persistent)
            server.system_metadata['image_temporality_persistent'] = value
            self.spawn(server)
            self.assertIs(persistent, persistence.decision(server))

    def test_switching_the_property_off_is_for_new_servers(self):
        conf.CONF.set_override('allow_server_property', False,
                               group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'allow_server_property',
                        group='temporality')
        server = self.make_server(metadata={'persistent': 'true'},
                                  persistent=True)
        self.spawn(server)
        self.assertTrue(persistence.is_pvm(server))
        self.assertRaises(NotImplementedError, self.driver.rebuild,
                          self.context, server, self.image(), [], None, {},
                          [], None, None, network_info=[])

    def test_servers_from_before_are_not_asked_for_their_property(self):
        server = self.make_server(metadata={'persistent': 'true'})
        server.launched_at = timeutils.utcnow(with_timezone=True)
        self.spawn(server)
        self.assertIs(False, persistence.decision(server))

    def test_property_switched_off(self):
        conf.CONF.set_override('allow_server_property', False,
                               group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'allow_server_property',
                        group='temporality')
        exc = self.assertRaises(
            exception.NotPossible, self.spawn,
            self.make_server(metadata={'persistent': 'true'}))
        self.assertIn('switched off', exc.format_message())

    def test_full_pool(self):
        server = self.make_server(memory_mb=65,
                                  metadata={'persistent': 'true'})
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.spawn, server)
        self.assertFalse(self.spawned.called)
        self.assertEqual([], self.pool().regions())


class HostTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.watch = self.useFixture(fixtures.MockPatchObject(
            keeper.Keeper, 'watch')).mock

    def test_refuses_to_start_without_a_pool(self):
        conf.CONF.set_override('pool_path', '/nonexistent',
                               group='temporality')
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'init_host'):
            exc = self.assertRaises(nova_exception.InvalidConfiguration,
                                    self.driver.init_host, 'host')
        self.assertIn('/nonexistent', str(exc))

    def test_refuses_a_medium_that_the_pool_was_not_made_on(self):
        pools.make_on(conf.CONF.temporality.pool_path, 'dax')
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'init_host'):
            exc = self.assertRaises(nova_exception.InvalidConfiguration,
                                    self.driver.init_host, 'host')
        self.assertIn('dax=always', str(exc))
        self.watch.assert_not_called()

    def test_refuses_an_unknown_group(self):
        conf.CONF.set_override('qemu_group', 'no-such-group',
                               group='temporality')
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'init_host'):
            exc = self.assertRaises(nova_exception.InvalidConfiguration,
                                    self.driver.init_host, 'host')
        self.assertIn('no-such-group', str(exc))

    def test_refuses_older_versions(self):
        connection = mock.Mock()
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'init_host'), \
                mock.patch.object(self.driver._host, 'get_connection',
                                  return_value=connection):
            connection.getLibVersion.return_value = 11003000
            connection.getVersion.return_value = 10000002
            self.driver.init_host('host')
            self.watch.assert_called_once_with()
            connection.getLibVersion.return_value = 9000000
            exc = self.assertRaises(nova_exception.InvalidConfiguration,
                                    self.driver.init_host, 'host')
            self.assertIn('libvirt is 9.0.0', str(exc))
            self.assertIn('11.3.0', str(exc))
            connection.getLibVersion.return_value = 11003000
            connection.getVersion.return_value = 10000001
            exc = self.assertRaises(nova_exception.InvalidConfiguration,
                                    self.driver.init_host, 'host')
            self.assertIn('QEMU is 10.0.1', str(exc))
            connection.getVersion.return_value = 10000002
            with mock.patch('nova.version.version_string',
                            return_value='32.2.1'):
                exc = self.assertRaises(
                    nova_exception.InvalidConfiguration,
                    self.driver.init_host, 'host')
            self.assertIn('Nova is 32.2.1', str(exc))
            self.assertIn('33.0.0', str(exc))

    def test_inventory(self):
        tree = provider_tree.ProviderTree()
        tree.new_root(NODE, uuids.node)
        tree.update_inventory(NODE, {'VCPU': {'total': 2}})
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'update_provider_tree'):
            self.driver.update_provider_tree(tree, NODE)
        data = tree.data(NODE)
        self.assertEqual(64, data.inventory['CUSTOM_NVRAM_MB']['total'])
        self.assertEqual(
            1.0, data.inventory['CUSTOM_NVRAM_MB']['allocation_ratio'])
        self.assertEqual(2, data.inventory['VCPU']['total'])
        self.assertIn('CUSTOM_TEMPORALITY', data.traits)
        self.assertIn('CUSTOM_NVRAM_MB',
                      self.driver.provider_tree.data(NODE).inventory)

    def memory_mb(self):
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'get_available_resource',
                               return_value={'memory_mb': 1000}):
            return self.driver.get_available_resource(NODE)['memory_mb']

    def test_what_is_in_nvram_is_not_taken_from_memory(self):
        # The resource tracker subtracts all flavors' memory from it.
        self.assertEqual(1000, self.memory_mb())
        pvm = self.make_server(persistent=True)
        paged = self.make_server(
            memory_mb=40, persistent=True,
            extra_specs={'temporality:mrr': '50'})
        paged.uuid = uuids.paged
        for server in (pvm, paged):
            self.driver.servers.add(server.uuid)
            self.driver.servers.of(server).ensure_region()
        # whose server is none of Nova's here
        self.pool().alloc(uuids.gone, 1 << 20)
        self.assertEqual(1000 + 16 + 40, self.memory_mb())

    def test_memory_is_reported_without_a_pool(self):
        conf.CONF.set_override('pool_path', '/nonexistent',
                               group='temporality')
        self.assertEqual(1000, self.memory_mb())

    def look_for_orphans(self, found):
        with self.pool() as pool:
            pool.alloc(uuids.gone, 4096)
        with mock.patch.object(conductor, 'ask', return_value=found), (
                mock.patch.object(orphans.LOG, 'warning')) as warning:
            orphans.look([])
        self.assertEqual(uuids.gone, warning.call_args[0][1])
        return len(self.pool().regions())

    def test_unknown_regions_are_kept(self):
        self.assertEqual(1, self.look_for_orphans(conductor.UNKNOWN))

    def test_regions_of_deleted_servers_are_kept(self):
        self.assertEqual(1, self.look_for_orphans(conductor.DELETED))

    def test_regions_of_servers_that_are_elsewhere_are_freed(self):
        self.assertEqual(0, self.look_for_orphans(conductor.ELSEWHERE))


class LifeTest(base.DriverTestCase):
    """One server that was spawned as a pVM, with a region."""

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.region = self.pool().alloc(self.server.uuid, 16 << 20)
        self.domain = mock.Mock()
        self.domain.UUIDString.return_value = self.server.uuid
        self.domain.XMLDesc.return_value = (
            '<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">'
            '<qemu:commandline/></domain>')
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest',
            return_value=libvirt_guest.Guest(self.domain)))
        self.useFixture(fixtures.MockPatchObject(ownership, 'confirm_here'))

    def epoch(self):
        return self.pool().lookup(self.server.uuid).epoch

    def fixate(self, runstate='running'):
        return base.fixate(self.pool(), self.region.id, runstate)

    def proven(self):
        try:
            self.pool().verify_state(self.region.id)
        except vpm.Unproven:
            return False
        return True

    def create_guest(self, **kwargs):
        with mock.patch.object(
                libvirt_driver.LibvirtDriver, '_create_guest',
                return_value=libvirt_guest.Guest(self.domain)) as create, \
                mock.patch('nova_temporality.virt.domain_record.'
                           'write') as record:
            guest = self.driver._create_guest(
                self.context, '<domain/>', self.server, **kwargs)
        return guest, create, record

    def test_cold_boot_finds_neither_memory_nor_state(self):
        with open(self.region.ram_path, 'r+b') as ram:
            ram.write(b'secret')
        self.pool().begin_epoch(self.region.id)
        self.fixate()
        self.domain.resume.side_effect = lambda: self.assertFalse(
            self.proven())
        self.create_guest()
        self.assertTrue(self.domain.resume.called)
        with open(self.region.ram_path, 'rb') as ram:
            self.assertEqual(bytes(6), ram.read(6))

    def test_machine_is_on_record_before_it_runs(self):
        events = mock.Mock()
        self.domain.resume = events.resume
        with mock.patch.object(
                libvirt_driver.LibvirtDriver, '_create_guest',
                return_value=libvirt_guest.Guest(self.domain)) as create, \
                mock.patch('nova_temporality.virt.domain_record.write',
                           events.record):
            self.driver._create_guest(self.context, '<domain/>', self.server)
        self.assertEqual(['record', 'resume'],
                         [call[0] for call in events.mock_calls])
        # paused
        self.assertIs(True, create.call_args[0][4])

    def test_nova_may_let_it_run_later(self):
        guest, _create, record = self.create_guest(pause=True)
        self.assertTrue(record.called)
        self.assertFalse(self.domain.resume.called)
        before = self.epoch()
        self.fixate('prelaunch')
        guest.resume()
        self.assertFalse(self.proven())
        self.assertEqual(before + 1, self.epoch())

    def test_not_let_run(self):
        """It is another host's by now, which needs the disks."""
        def refuse():
            raise exception.NotOwner(reason='it is evacuated')

        with self.driver.servers.of(self.server).boot_confirmed(refuse):
            self.assertRaises(exception.NotOwner, self.create_guest)
        self.assertTrue(self.domain.destroy.called)
        self.assertFalse(self.domain.resume.called)

    def test_without_power(self):
        _guest, create, record = self.create_guest(power_on=False)
        self.assertIs(False, create.call_args[0][4])
        self.assertFalse(record.called)
        self.assertFalse(self.domain.resume.called)

    def test_memory_in_use_elsewhere(self):
        with open(self.region.ram_path, 'r+b'):
            exc = self.assertRaises(lease.RegionInUse, self.create_guest)
        self.assertIn('open in another process', self.fault(exc))

    def test_paged_server_without_pager_never_runs(self):
        self.pool().free(self.server.uuid)
        self.pool().alloc_vpm(self.server.uuid, 16 << 20, 8 << 20,
                              self.swap_dir)
        exc = self.assertRaises(runs.PagerMissing, self.create_guest)
        self.assertIn('LD_PRELOAD', self.fault(exc))
        self.assertTrue(self.domain.destroy.called)
        self.assertFalse(self.domain.resume.called)
        region = self.pool().lookup(self.server.uuid)
        # what a pager does
        with open(os.path.join(region.directory, 'ppt'), 'rb') as page_table:
            fcntl.flock(page_table, fcntl.LOCK_EX)
            self.create_guest()
        self.assertTrue(self.domain.resume.called)

    def test_delete_gives_nvram_back(self):
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'destroy'):
            self.driver.destroy(self.context, self.server, [])
            # a second time, as after a crash in between
            self.driver.destroy(self.context, self.server, [])
        self.assertEqual([], self.pool().regions())

    def test_hard_reboot_keeps_the_region(self):
        def reboot(*args, **kwargs):
            with mock.patch.object(libvirt_driver.LibvirtDriver, 'destroy'):
                self.driver.destroy(self.context, self.server, [],
                                    destroy_disks=False)
        with mock.patch.object(libvirt_driver.LibvirtDriver, '_hard_reboot',
                               side_effect=reboot):
            self.driver._hard_reboot(self.context, self.server, [], None)
        self.assertEqual([self.server.uuid],
                         [region.name for region in self.pool().regions()])
        self.test_delete_gives_nvram_back()

    def test_soft_reboot_never_relaunches_old_memory(self):
        with mock.patch.object(self.driver, '_clean_shutdown') as shutdown:
            self.assertFalse(self.driver._soft_reboot(self.server))
        self.assertTrue(shutdown.called)
        self.assertFalse(self.domain.createWithFlags.called)

    def told(self, act):
        """What Nova is told of a state that is given up."""
        with mock.patch.object(events, 'action') as action, \
                mock.patch.object(compute_utils, 'add_instance_fault_from_exc'
                                  ) as fault:
            action.return_value = contextlib.nullcontext()
            act()
        self.assertEqual([call.args[1:] for call in action.mock_calls],
                         [(self.server.uuid, 'temporality_state_given_up')] *
                         action.call_count)
        self.assertEqual(action.call_count, fault.call_count)
        return [str(call.args[2]) for call in fault.mock_calls]

    def test_a_state_that_is_given_up_is_told(self):
        for name, act in (
                ('power_off', lambda: self.driver.power_off(self.server)),
                ('_hard_reboot', lambda: self.driver._hard_reboot(
                    self.context, self.server, [], None))):
            with mock.patch.object(libvirt_driver.LibvirtDriver, name):
                self.assertEqual([], self.told(act))
                self.pool().begin_epoch(self.region.id)
                self.fixate()
                [reason] = self.told(act)
            self.assertIn('is given up', reason)
            self.pool().begin_epoch(self.region.id)

    def test_nova_that_is_not_told(self):
        """Its tenant has decided, whether or not conductor is there."""
        self.pool().begin_epoch(self.region.id)
        self.fixate()
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'power_off'), \
                mock.patch.object(events, 'action', side_effect=OSError), \
                mock.patch.object(compute_utils, 'add_instance_fault_from_exc',
                                  side_effect=OSError):
            self.driver.power_off(self.server)
        self.assertFalse(self.proven())

    def test_power_off_gives_the_state_up(self):
        self.fixate()
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'power_off'):
            self.driver.power_off(self.server)
        self.assertFalse(self.proven())

    def test_unpause_gives_the_state_up_first(self):
        self.fixate('paused')
        self.domain.resume.side_effect = lambda: self.assertFalse(
            self.proven())
        since = self.driver.servers.of(self.server).fixated_at()
        with mock.patch.object(agent, 'catch_up') as catch_up:
            self.driver.unpause(self.server)
        self.assertTrue(self.domain.resume.called)
        catch_up.assert_called_once_with(mock.ANY, since)

    def test_fixation_is_no_pause_to_nova(self):
        self.driver.servers.add(self.server.uuid)
        emitted = []
        self.driver._compute_event_callback = emitted.append
        for uuid in (self.server.uuid, uuids.other):
            for transition in (virtevent.EVENT_LIFECYCLE_PAUSED,
                               virtevent.EVENT_LIFECYCLE_RESUMED):
                self.driver.emit_event(
                    virtevent.LifecycleEvent(uuid, transition))
        self.assertEqual(
            [(self.server.uuid, virtevent.EVENT_LIFECYCLE_RESUMED),
             (uuids.other, virtevent.EVENT_LIFECYCLE_PAUSED),
             (uuids.other, virtevent.EVENT_LIFECYCLE_RESUMED)],
            [(event.get_instance_uuid(), event.get_transition())
             for event in emitted])

    def power_state_seen(self):
        with mock.patch.object(
                libvirt_driver.LibvirtDriver, 'get_info',
                return_value=hardware.InstanceInfo(
                    state=power_state.PAUSED, internal_id=1)):
            return self.driver.get_info(self.server).state

    def test_fixated_counts_as_running(self):
        self.assertEqual(power_state.PAUSED, self.power_state_seen())
        self.fixate()
        self.assertEqual(power_state.RUNNING, self.power_state_seen())
        self.server.vm_state = 'paused'
        self.assertEqual(power_state.PAUSED, self.power_state_seen())

    def test_refused_actions(self):
        self.assertRaises(exception.NotPossible, self.driver.swap_volume,
                          self.context, {}, {}, self.server, '/dev/vdb', 0)

    def test_xml_for_later_does_not_wait_for_a_state(self):
        """What rescue keeps for unrescue, for one."""
        self.domain.XMLDesc.return_value = pvm_domain.with_incoming(
            self.domain.XMLDesc.return_value,
            paths.recover_socket(self.run_dir, self.server.uuid))
        self.assertNotIn('defer', self.driver._get_existing_domain_xml(
            self.server, []))
        self.assertIn('defer', self.driver._get_existing_domain_xml(
            self.make_server(persistent=False), []))

    def test_cold_snapshot_does_not_launch_the_domain(self):
        guest = mock.Mock()
        with mock.patch.object(manager, 'resume_suspended') as resume:
            for live, state, resumed in (
                    (False, power_state.RUNNING, 1),
                    (True, power_state.RUNNING, 0),
                    (False, power_state.SHUTDOWN, 0)):
                resume.reset_mock()
                self.driver._resume_guest_after_snapshot(
                    self.context, live, state, self.server, guest)
                self.assertEqual(resumed, resume.call_count)
        self.assertFalse(guest.launch.called)

    def rebuild(self, server, image=None, evacuate=False):
        self.driver.rebuild(
            self.context, server, image or self.image(), [], None, {}, [],
            None, None, network_info=[], evacuate=evacuate)

    def test_rebuild_is_refused_before_anything_is_destroyed(self):
        volatile = self.make_server(persistent=False)
        volatile.system_metadata['image_temporality_persistent'] = 'true'
        misspelt = self.make_server(persistent=True)
        misspelt.system_metadata['image_temporality_persistent'] = 'maybe'
        for server, image, reason in (
                (volatile, None, 'created without persistence'),
                (misspelt, None, "'maybe'"),
                (self.server, self.image(hw_tpm_version='2.0'), 'TPM')):
            exc = self.assertRaises(nova_exception.InstanceFaultRollback,
                                    self.rebuild, server, image)
            self.assertIn(reason, exc.inner_exception.format_message())
        # Nova's own way: destroy and spawn
        self.assertRaises(NotImplementedError, self.rebuild, self.server)
        self.assertRaises(NotImplementedError, self.rebuild, volatile,
                          evacuate=True)
        # The server's own property was asked when it was created.
        for value in ('true', 'maybe'):
            self.assertRaises(
                NotImplementedError, self.rebuild,
                self.make_server(metadata={'persistent': value},
                                 persistent=False))
