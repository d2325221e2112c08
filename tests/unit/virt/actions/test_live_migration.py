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

"""Live migration: what happens to regions, states and records."""

import collections
import os
from unittest import mock

import fixtures
import libvirt
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest

from nova_temporality.host import paths
from nova_temporality.privsep import runs
from nova_temporality.spec import system_metadata
from nova_temporality.virt.actions import live_migration
from nova_temporality.virt import binding
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import server as pvm_server
from nova_temporality import vpm
from nova_temporality.vpm import lease
from nova_temporality.vpm import runlock
from tests.unit.virt import base

MIB = 1 << 20


class MigratingTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.server))
        self.nova = {name: self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, name)).mock
            for name in ('check_can_live_migrate_destination',
                         'check_can_live_migrate_source',
                         'pre_live_migration', 'post_live_migration_at_source',
                         'post_live_migration_at_destination',
                         '_live_migration_operation', 'destroy')}

    def region(self):
        try:
            return self.pool().lookup(self.server.uuid)
        except vpm.NotFound:
            return None

    def locked(self):
        """Whether a state is kept from being made."""
        with self.pool() as pool:
            lock = runlock.RunLock(pool.lookup(self.server.uuid))
            try:
                lock.acquire(0)
            except runlock.RunLockTimeout:
                return True
            finally:
                lock.close()
        return False

    def told(self):
        return sorted(key for key in self.server.system_metadata
                      if key.startswith(system_metadata.NAMESPACE +
                                        'target_'))


class TargetTest(MigratingTestCase):

    def prepare(self):
        return self.driver.pre_live_migration(
            self.context, self.server, {}, [], None, mock.Mock())

    def rollback(self):
        self.driver.rollback_live_migration_at_destination(
            self.context, self.server, [], {}, destroy_disks=False)

    def test_memory_is_there_and_nothing_is_fixated(self):
        self.prepare()
        # its vCPUs are let run by libvirt alone
        self.assertEqual(1, self.region().epoch)
        self.assertTrue(self.locked())
        self.assertEqual(self.region().memory_path, binding.announced(
            self.context, self.server.uuid).memory_path)

    def test_memory_of_an_earlier_try_is_scrubbed(self):
        with self.pool() as pool:
            region = pool.alloc(self.server.uuid, 16 * MIB)
            pool.begin_epoch(region.id)
            with open(region.memory_path, 'r+b') as memory:
                memory.write(b'secret')
        base.fixate(self.pool(), region.id)
        self.prepare()
        with open(self.region().memory_path, 'rb') as memory:
            self.assertEqual(bytes(6), memory.read(6))
        self.assertRaises(vpm.Unproven, self.pool().verify_state, region.id)

    def test_no_room_leaves_nothing(self):
        self.server.flavor.memory_mb = 128
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.prepare)
        self.assertIsNone(self.region())
        self.assertFalse(self.nova['pre_live_migration'].called)

    def test_memory_in_use_is_kept_when_a_try_fails(self):
        """A QEMU may be left of an earlier one."""
        server = self.driver.servers.of(self.server)
        server.ensure_region()
        with open(self.region().ram_path, 'r+b'):
            self.assertRaises(lease.RegionInUse, self.driver.
                              pre_live_migration, self.context, self.server,
                              None, [], None, None)
        self.assertIsNotNone(self.region())

    def test_failure_is_rolled_back(self):
        self.prepare()
        self.rollback()
        self.assertIsNone(self.region())
        self.assertEqual([], self.told())
        self.prepare()
        self.assertTrue(self.locked())

    def test_it_can_be_fixated_when_it_is_on_record(self):
        self.prepare()

        def record():
            self.assertTrue(self.locked())

        with mock.patch.object(pvm_server.PersistentServer, 'record_domain',
                               side_effect=record) as recorded:
            self.driver.post_live_migration_at_destination(
                self.context, self.server, [])
        self.assertTrue(recorded.called)
        self.assertFalse(self.locked())
        self.assertEqual([], self.told())

    def test_precheck_counts_energy(self):
        exc = nova_exception.ComputeResourcesUnavailable(reason='too many')
        with mock.patch.object(self.driver._admission, 'check_room',
                               side_effect=exc):
            self.assertRaisesRegex(
                nova_exception.MigrationPreCheckError, 'too many',
                self.driver.check_can_live_migrate_destination, self.context,
                self.server, None, None)

    def test_ordinary_servers_pass_through(self):
        self.server = self.make_server(persistent=False)
        self.prepare()
        self.assertTrue(self.nova['pre_live_migration'].called)
        self.assertIsNone(self.region())


class SourceTest(MigratingTestCase):

    def setUp(self):
        super().setUp()
        self.driver.servers.of(self.server).ensure_region()
        self.here = self.driver.servers.of(self.server).binding()
        self.there = binding.Binding('/there,too/ram', 1007, 64, '/there/run',
                                     self.server.uuid)
        binding.announce(self.context, self.there)
        self.xml = self.guest_xml(self.driver, self.server)
        self.domain = mock.Mock()
        self.domain.UUIDString.return_value = self.server.uuid
        self.guest_is('kvm', libvirt.VIR_DOMAIN_RUNNING)
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest',
            return_value=libvirt_guest.Guest(self.domain)))

    def guest_is(self, kind, state):
        self.domain.XMLDesc.return_value = "<domain type='%s'/>" % kind
        self.domain.info.return_value = [state, 0, 0, 1, 0]

    def check(self):
        return self.driver.check_can_live_migrate_source(
            self.context, self.server, mock.Mock())

    def migrate(self):
        self.driver._live_migration_operation(
            self.context, self.server, 'there', False, mock.Mock(),
            libvirt_guest.Guest(self.domain), [])
        guest = self.nova['_live_migration_operation'].call_args[0][5]
        guest.migrate('uri', destination_xml=self.xml, flags=(
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_POSTCOPY |
            libvirt.VIR_MIGRATE_AUTO_CONVERGE))

    def test_target_gets_its_own_machine(self):
        self.migrate()
        args = self.domain.migrateToURI3.call_args
        self.assertEqual(libvirt.VIR_MIGRATE_LIVE, args[1]['flags'])
        for key in 'destination_xml', 'persistent_xml':
            xml = args[1]['params'][key]
            self.assertTrue(pvm_domain.uses_memory(xml, '/there,too/ram',
                                                   1007))
            self.assertFalse(pvm_domain.uses_memory(
                xml, self.here.memory_path, 0))
            self.assertIn('+1007:+64', xml)
            self.assertIn(self.there.watch_socket, xml)
            self.assertNotIn(self.run_dir, xml)

    def test_recovered_server_does_not_wait_for_a_state_there(self):
        self.xml = pvm_domain.with_incoming(self.xml, self.here.recover_socket)
        self.migrate()
        params = self.domain.migrateToURI3.call_args[1]['params']
        self.assertNotIn('defer', params['destination_xml'])

    def test_no_state_is_or_becomes_proven_meanwhile(self):
        base.fixate(self.pool(), self.region().id)

        def migrate(*_args, **_kwargs):
            self.assertTrue(self.locked())
            self.assertRaises(vpm.Unproven, self.pool().verify_state,
                              self.region().id)
            raise libvirt.libvirtError('aborted')

        self.domain.migrateToURI3.side_effect = migrate
        self.assertRaises(libvirt.libvirtError, self.migrate)
        self.assertFalse(self.locked())

    def test_fixated_server_stays(self):
        with mock.patch.object(runs, '_LOCK_TIMEOUT', 0), (
                runlock.RunLock(self.region())):
            self.assertRaises(runlock.RunLockTimeout, self.migrate)
        self.assertFalse(self.domain.migrateToURI3.called)

    def test_target_without_our_driver(self):
        binding.forget(self.context, self.server.uuid)
        self.assertRaises(LookupError, self.migrate)
        self.assertFalse(self.domain.migrateToURI3.called)

    def test_machine_that_is_not_known(self):
        self.xml = self.xml.replace('watch.sock', 'other.sock')
        self.assertRaisesRegex(ValueError, 'watch.sock', self.migrate)

    def test_memory_is_given_back(self):
        self.driver.post_live_migration_at_source(
            self.context, self.server, [])
        self.assertIsNone(self.region())

    def test_memory_in_use_is_kept(self):
        with open(self.here.memory_path, 'r+b'), (
                mock.patch.object(live_migration.LOG, 'error')) as error:
            self.driver.post_live_migration_at_source(
                self.context, self.server, [])
        self.assertTrue(error.called)
        self.assertIsNotNone(self.region())

    def test_paged_server_is_refused(self):
        self.server.flavor.extra_specs['temporality:nvram_mb'] = '8'
        self.assertRaisesRegex(
            nova_exception.MigrationPreCheckError, 'less NVRAM', self.check)

    def test_emulated_cpus_must_not_run(self):
        self.guest_is('qemu', libvirt.VIR_DOMAIN_RUNNING)
        self.assertRaisesRegex(
            nova_exception.MigrationPreCheckError, 'pause', self.check)
        self.guest_is('qemu', libvirt.VIR_DOMAIN_PAUSED)
        self.check()

    def test_nova_is_made_to_clean_up_the_target(self):
        self.assertEqual({}, self.check().target_mdevs)


class ForceCompleteTest(MigratingTestCase):
    """Post-copy is permitted to others, and never used for pVMs."""

    def setUp(self):
        super().setUp()
        self.driver._live_migration_flags = (
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_POSTCOPY)
        self.driver._live_migration_data_gb = mock.Mock(return_value=1)
        self.domain = mock.Mock()
        self.useFixture(fixtures.MockPatch('time.sleep'))

    def complete(self, server):
        server.uuid = self.server.uuid
        self.driver.active_migrations[server.uuid] = collections.deque(
            ['force-complete'])
        jobs = [libvirt_guest.JobInfo(type=kind) for kind in (
            libvirt.VIR_DOMAIN_JOB_UNBOUNDED,
            libvirt.VIR_DOMAIN_JOB_COMPLETED)]
        migration = mock.Mock(status='running')
        with mock.patch.object(libvirt_guest.Guest, 'get_job_info',
                               side_effect=jobs):
            self.driver._live_migration_monitor(
                self.context, server, libvirt_guest.Guest(self.domain),
                'dest', mock.Mock(), mock.Mock(), False,
                mock.Mock(migration=migration, block_migration=False),
                mock.Mock(), [])

    def test_guest_is_paused_so_that_it_ends(self):
        self.complete(self.server)
        self.assertTrue(self.domain.suspend.called)
        self.assertFalse(self.domain.migrateStartPostCopy.called)

    def test_others_switch_to_post_copy(self):
        self.complete(self.make_server(persistent=False))
        self.assertFalse(self.domain.suspend.called)
        self.assertTrue(self.domain.migrateStartPostCopy.called)


class NoteTest(MigratingTestCase):

    def test_note_ends_with_the_region(self):
        self.driver.servers.of(self.server).ensure_region()
        runs.begin_move(self.pool_path, self.run_dir, self.server.uuid)
        self.driver.servers.of(self.server).free_region()
        with self.pool() as pool:
            region = pool.alloc(self.server.uuid, 16 * MIB)
        with runlock.RunLock(region):
            pass
        self.assertFalse(self.exists())

    def test_note_survives_nova_compute(self):
        self.driver.servers.of(self.server).ensure_region()
        runs.begin_move(self.pool_path, self.run_dir, self.server.uuid)
        runs._held.pop(self.server.uuid).lock.close()
        self.assertTrue(self.exists())
        runs.end_move(self.run_dir, self.server.uuid)
        self.assertFalse(self.exists())

    def exists(self):
        return os.path.exists(
            paths.moving_note(self.run_dir, self.server.uuid))
