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

"""The domain of a pVM, and that of everybody else."""

import copy
import dataclasses
import os
from unittest import mock

import fixtures
import libvirt
from lxml import etree
from nova import objects
from nova.privsep import utils as nova_privsep_utils
from nova.tests.unit.virt.libvirt import test_driver as nova_test_driver
from nova.virt import fake
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import migration

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import paths
from nova_temporality.qemu import srat
from nova_temporality.spec import disk_queues
from nova_temporality.spec import persistence
from nova_temporality.spec import server_spec
from nova_temporality.virt.actions import live_migration
from nova_temporality.virt import binding
from nova_temporality.virt import devices
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import genid
from nova_temporality.virt import page_sizes
from nova_temporality import vpm
from tests.unit.virt import base

GENID = 'c2c6d3c0-5f0e-4f4e-9a53-0d6f0f7c6f3b'
HERE = binding.Binding('/ram', 0, 0, '/run', 'pvm')
SPEC = server_spec.ServerSpec(True, memory_mb=1, nvram_mb=1)
QEMU = '{http://libvirt.org/schemas/domain/qemu/1.0}'


def args_of(xml):
    return [arg.get('value') for arg in
            etree.fromstring(xml).iter(QEMU + 'arg')]


class GuestTest(base.DriverTestCase):

    def test_others_are_byte_for_byte_nova(self):
        nova = libvirt_driver.LibvirtDriver(fake.FakeVirtAPI(), True)
        for server in (self.make_server(),
                       self.make_server(persistent=False),
                       self.make_server(metadata={'persistent': 'true'},
                                        persistent=False)):
            # making XML registers defaults with the server
            same = copy.deepcopy(server)
            self.assertEqual(self.guest_xml(nova, server),
                             self.guest_xml(self.driver, same))
        self.assertEqual([], self.pool().regions())

    def test_memory_is_the_region(self):
        server = self.make_server(persistent=True)
        args = args_of(self.guest_xml(self.driver, server))
        region = self.pool().lookup(server.uuid)
        self.assertEqual(16 << 20, region.size)
        self.assertIn(
            'memory-backend-file,id=nvram,size=16777216,mem-path=%s,share=on,'
            'align=2M' % region.ram_path, args)
        self.assertEqual('memory-backend=nvram',
                         args[args.index('-machine') + 1])
        self.assertIn(
            'socket,id=temporality-fixate,path=%s,server=on,wait=off' %
            paths.fixate_socket(self.run_dir, server.uuid), args)
        self.assertIn(
            'socket,id=temporality-watch,path=%s,server=on,wait=off' %
            paths.watch_socket(self.run_dir, server.uuid), args)
        self.assertNotIn('-incoming', args)

    def backing(self, xml):
        return [etree.tostring(node, encoding='unicode', with_tail=False)
                for node in etree.fromstring(xml).findall('memoryBacking/*')]

    def test_libvirts_own_memory_reserves_none(self):
        for server, backing in (
                (self.make_server(), []),
                (self.make_server(persistent=True), [
                    '<source type="memfd"/>', '<access mode="shared"/>'])):
            self.assertEqual(backing,
                             self.backing(self.guest_xml(self.driver, server)))

    def test_nor_does_it_on_the_host_that_it_is_migrated_to(self):
        server = self.make_server(persistent=True)
        ran = self.guest_xml(self.driver, server)
        here = self.driver.servers.of(server).binding()

        def moved(root):
            return pvm_domain.moved(etree.tostring(root, encoding='unicode'),
                                    16 << 20, here, HERE)

        root = etree.fromstring(ran)
        # what Nova makes of it
        migration._update_memory_backing_xml(
            root, objects.LibvirtLiveMigrateData())
        self.assertEqual(self.backing(ran), self.backing(moved(root)))
        # One that was booted with an earlier release stays as it is.
        root.remove(root.find('memoryBacking'))
        self.assertEqual([], self.backing(moved(root)))

    def test_generation_is_the_same_until_a_fork(self):
        server = self.make_server(persistent=True)

        def generation():
            return etree.fromstring(self.guest_xml(
                self.driver, server)).findtext('genid')

        self.assertEqual(server.uuid, generation())
        self.assertEqual(server.uuid, generation())
        genid.record(server, GENID)
        self.assertEqual(GENID, generation())

    def test_no_balloon_can_take_memory_away(self):
        self.flags(mem_stats_period_seconds=10, group='libvirt')
        volatile = etree.fromstring(
            self.guest_xml(self.driver, self.make_server()))
        pvm = etree.fromstring(self.guest_xml(
            self.driver, self.make_server(persistent=True)))
        self.assertEqual(['virtio'], [
            node.get('model') for node in volatile.iter('memballoon')])
        self.assertEqual(['none'], [
            node.get('model') for node in pvm.iter('memballoon')])

    def test_disks_keep_failed_requests(self):
        xml = self.guest_xml(self.driver, self.make_server(persistent=True))
        drivers = etree.fromstring(xml).findall('devices/disk/driver')
        self.assertNotEqual([], drivers)
        for driver in drivers:
            self.assertEqual('stop', driver.get('error_policy'))
            self.assertEqual('stop', driver.get('rerror_policy'))
            self.assertEqual('none', driver.get('cache'))

    def queues(self, **fields):
        root = pvm_domain.PersistentGuest(
            self.guest_of(('virtio', 'vda'), ('ide', 'hda')), HERE,
            dataclasses.replace(SPEC, **fields), GENID).format_dom()
        return {
            disk.find('target').get('dev'):
            (disk.find('driver').get('queues'),
             disk.find('driver').get('queue_size'))
            for disk in root.findall('devices/disk')}

    def test_little_of_virtio_disks_is_in_flight(self):
        self.assertEqual({'vda': ('1', '16'), 'hda': (None, None)},
                         self.queues())

    def test_more_is_in_flight_if_the_flavor_asks(self):
        self.assertEqual(
            {'vda': ('4', '256'), 'hda': (None, None)},
            self.queues(disk_queues=disk_queues.DiskQueues(256, 4)))

    @staticmethod
    def guest_of(*disks):
        guest = vconfig.LibvirtConfigGuest()
        guest.virt_type = 'qemu'
        for bus, name in disks:
            disk = vconfig.LibvirtConfigGuestDisk()
            disk.source_type, disk.source_path = 'file', '/disk'
            disk.driver_name = 'qemu'
            disk.driver_cache = 'none'
            disk.target_bus = bus
            disk.target_dev = name
            guest.add_device(disk)
        return guest

    def test_own_user(self):
        guest = vconfig.LibvirtConfigGuest()
        guest.virt_type = 'qemu'
        xml = pvm_domain.PersistentGuest(
            guest, binding.Binding('/ram', 2000000007, 64055, '/run', 'pvm'),
            SPEC, GENID).to_xml()
        seclabel = etree.fromstring(xml).find('seclabel')
        self.assertEqual(
            {'type': 'static', 'model': 'dac', 'relabel': 'yes'},
            dict(seclabel.attrib))
        self.assertEqual('+2000000007:+64055', seclabel.findtext('label'))

    def test_paths_with_commas(self):
        guest = vconfig.LibvirtConfigGuest()
        guest.virt_type = 'qemu'
        here = binding.Binding('/a,b', 0, 0, '/c,d', 'pvm')
        xml = pvm_domain.PersistentGuest(guest, here, SPEC, GENID).to_xml()
        self.assertIn('mem-path=/a,,b,share=on', xml)
        self.assertIn('path=%s,server=on' %
                      here.fixate_socket.replace(',', ',,'), xml)
        self.assertIn('path=%s,server=on' %
                      here.watch_socket.replace(',', ',,'), xml)
        self.assertIn('/c,,d/', xml)

    def test_incoming_comes_and_goes(self):
        xml = self.guest_xml(self.driver, self.make_server(persistent=True))
        incoming = pvm_domain.with_incoming(xml, '/run/r.sock')
        self.assertEqual(
            args_of(xml) + pvm_domain.incoming_args('/run/r.sock'),
            args_of(incoming))
        self.assertEqual(
            args_of(xml),
            args_of(pvm_domain.without_incoming(incoming, '/run/r.sock')))
        self.assertEqual(
            args_of(xml),
            args_of(pvm_domain.without_incoming(xml, '/run/r.sock')))


class PagedGuestTest(base.DriverTestCase):
    """A server with less NVRAM than memory."""

    def setUp(self):
        super().setUp()
        self.server = self.make_server(
            persistent=True, extra_specs={'temporality:mrr': '25'})

    def test_memory_is_what_the_pager_makes_of_it(self):
        args = args_of(self.guest_xml(self.driver, self.server))
        region = self.pool().lookup(self.server.uuid)
        self.assertEqual(16 << 20, region.virtual_size)
        self.assertEqual(4 << 20, region.size)
        self.assertIn(
            'memory-backend-file,id=nvram,size=16777216,mem-path=%s,share=on'
            % region.virtual_path, args)

    def test_pager_is_loaded_into_this_qemu(self):
        root = etree.fromstring(self.guest_xml(self.driver, self.server))
        env = {node.get('name'): node.get('value')
               for node in root.iter(QEMU + 'env')}
        region = self.pool().lookup(self.server.uuid)
        self.assertEqual({'LD_PRELOAD': vpm.PRELOAD_PATH,
                          'TEMPORALITY_VPM': region.directory}, env)
        self.assertTrue(os.path.exists(vpm.PRELOAD_PATH))

    def test_what_was_chosen_is_logged_once(self):
        logger = self.useFixture(fixtures.FakeLogger(
            'nova_temporality.privsep.regions'))
        self.guest_xml(self.driver, self.server)
        self.guest_xml(self.driver, self.server)
        region = self.pool().lookup(self.server.uuid)
        line, = logger.output.splitlines()
        self.assertIn('in pages of %d bytes, policy %s' % (
            region.page_size, region.policy), line)

    def test_fully_resident_servers_have_no_pager(self):
        for specs in ({}, {'temporality:mrr': '100'}):
            server = self.make_server(persistent=True, extra_specs=specs)
            self.assertNotIn('LD_PRELOAD',
                             self.guest_xml(self.driver, server))
            self.pool().free(server.uuid)

    def test_pager_sees_what_is_written(self):
        conf.CONF.set_override('vault_hold_up', 60, group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'vault_hold_up',
                        group='temporality')
        self.assertNotIn('TEMPORALITY_WRITES',
                         self.guest_xml(self.driver, self.server))

    def test_disks_are_set_to_buffered_and_flushed(self):
        for mode in ('none', 'directsync', 'writeback', 'unsafe'):
            self.driver.disk_cachemodes = {'file': mode}
            drivers = etree.fromstring(self.guest_xml(
                self.driver, self.server)).findall('devices/disk/driver')
            self.assertNotEqual([], drivers)
            for driver in drivers:
                self.assertEqual('writethrough', driver.get('cache'))
                self.assertEqual('threads', driver.get('io'))
                self.assertEqual('stop', driver.get('error_policy'))

    def test_no_kernel_thread_writes_into_its_memory(self):
        port = vconfig.LibvirtConfigGuestInterface()
        port.model = 'virtio'
        port.driver_name = 'vhost'
        devices.prepare(port, is_paged=True)
        self.assertEqual('qemu', port.driver_name)

    def test_no_balloon(self):
        root = etree.fromstring(self.guest_xml(self.driver, self.server))
        self.assertEqual(['none'], [
            node.get('model') for node in root.iter('memballoon')])

    def paged(self, *devices, **attributes):
        guest = vconfig.LibvirtConfigGuest()
        for device in devices:
            guest.add_device(device)
        for name, value in attributes.items():
            setattr(guest, name, value)
        return pvm_domain.PersistentGuest(
            guest, HERE, SPEC, GENID, paging_directory='/region')

    def disk(self, **attributes):
        disk = vconfig.LibvirtConfigGuestDisk()
        disk.target_dev = 'vdb'
        for name, value in attributes.items():
            setattr(disk, name, value)
        return disk

    def test_what_is_only_read_is_not_read_into_pages_that_left(self):
        # a configuration drive
        cdrom = self.disk(source_device='cdrom', readonly=True,
                          driver_cache='none', driver_io='native')
        self.paged(cdrom)
        self.assertEqual(('writethrough', 'threads'),
                         (cdrom.driver_cache, cdrom.driver_io))

    def test_what_pins_pages_is_refused(self):
        def port(net_type):
            found = vconfig.LibvirtConfigGuestInterface()
            found.net_type = net_type
            return found
        for pattern, device in (
                ('host devices', vconfig.LibvirtConfigGuestHostdevPCI()),
                ('host devices', vconfig.LibvirtConfigGuestHostdevMDEV()),
                ('vhost-user ports', port('vhostuser')),
                ('vDPA ports', port('vdpa')),
                ('PCI passthrough ports', port('hostdev')),
                ('shares', vconfig.LibvirtConfigGuestFilesys()),
                ('persistent memory devices',
                 vconfig.LibvirtConfigGuestVPMEM()),
                ('SCSI passthrough.*vdb', self.disk(source_device='lun'))):
            exc = self.assertRaises(exception.NotPossible, self.paged, device)
            self.assertRegex(exc.format_message(), pattern)

    def test_memory_that_is_not_the_pagers_is_refused(self):
        def backing(**attributes):
            found = vconfig.LibvirtConfigGuestMemoryBacking()
            for name, value in attributes.items():
                setattr(found, name, value)
            return found
        page = vconfig.LibvirtConfigGuestMemoryBackingPage()
        sev = vconfig.LibvirtConfigGuestSEVLaunchSecurity()
        for pattern, attributes in (
                ('memory backing', {'membacking': backing(locked=True)}),
                ('memory backing', {'membacking': backing(hugepages=[page])}),
                ('memory backing', {'membacking': backing(
                    filesource=True, sharedaccess=True)}),
                ('pluggable memory', {'max_memory_size': 8192}),
                ('memory encryption', {'launch_security': sev})):
            exc = self.assertRaises(exception.NotPossible, self.paged,
                                    **attributes)
            self.assertRegex(exc.format_message(), pattern)


class WatchedTest(base.DriverTestCase):
    """Power lasts for writing servers to the vault."""

    def setUp(self):
        super().setUp()
        conf.CONF.set_override('vault_hold_up', 60, group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'vault_hold_up',
                        group='temporality')

    def environment(self, xml):
        return {node.get('name'): node.get('value')
                for node in etree.fromstring(xml).iter(QEMU + 'env')}

    def test_writes_are_noted(self):
        server = self.make_server(persistent=True)
        found = self.environment(self.guest_xml(self.driver, server))
        self.assertEqual({
            'LD_PRELOAD': vpm.PRELOAD_PATH,
            'TEMPORALITY_WRITES': self.pool().lookup(server.uuid).ram_path},
            found)

    def test_on_another_host(self):
        server = self.make_server(persistent=True)
        xml = self.guest_xml(self.driver, server)
        here = self.driver.servers.of(server).binding()
        there = dataclasses.replace(here, memory_path='/there/ram')
        moved = pvm_domain.moved(xml, 16 << 20, here, there)
        self.assertEqual('/there/ram',
                         self.environment(moved)['TEMPORALITY_WRITES'])

    def test_large_pages_stay_large(self):
        """To have writes noted, Linux would map them with 4 KiB."""
        server = self.make_server(persistent=True)
        with mock.patch.object(page_sizes, 'wants_large', return_value=True):
            self.assertFalse(self.driver.servers.of(server).is_watched)


class DisksTest(base.DriverTestCase):
    """Of a server that is not paged."""

    def setUp(self):
        super().setUp()
        self.direct_io = self.useFixture(fixtures.MockPatchObject(
            nova_privsep_utils, 'supports_direct_io',
            return_value=True)).mock
        self.server = self.make_server(persistent=True)

    def modes(self, configured, server=None):
        self.driver.disk_cachemodes = (
            {'file': configured} if configured else {})
        return {driver.get('cache') for driver in etree.fromstring(
            self.guest_xml(self.driver, server or self.server)).findall(
                'devices/disk[@device="disk"]/driver')}

    def test_safe_modes_stay(self):
        for mode in ('none', 'directsync', 'writethrough'):
            self.assertEqual({mode}, self.modes(mode))

    def test_others_are_changed(self):
        for mode in ('writeback', 'unsafe'):
            self.assertEqual({'none'}, self.modes(mode))

    def test_storage_without_o_direct(self):
        self.direct_io.return_value = False
        self.driver._disk_cachemode = None
        for mode in (None, 'writeback', 'unsafe'):
            self.assertEqual({'writethrough'}, self.modes(mode))

    def test_network_storage_needs_no_o_direct(self):
        self.direct_io.return_value = False
        for source_type in ('network', 'block'):
            disk = vconfig.LibvirtConfigGuestDisk()
            disk.source_type = source_type
            disk.driver_cache = 'writeback'
            devices.prepare(disk, is_paged=False)
            self.assertEqual('none', disk.driver_cache)

    def test_what_is_only_read_is_read_as_configured(self):
        disk = vconfig.LibvirtConfigGuestDisk()
        disk.readonly = True
        disk.driver_cache = 'writeback'
        devices.prepare(disk, is_paged=False)
        self.assertEqual('writeback', disk.driver_cache)

    def test_ordinary_servers_keep_theirs(self):
        self.assertEqual({'writeback'}, self.modes(
            'writeback', self.make_server(persistent=False)))


class NumaTest(base.DriverTestCase):
    """Of a server with one cell, whose vCPUs may be pinned."""

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.server.numa_topology = objects.InstanceNUMATopology(
            cells=[objects.InstanceNUMACell(
                id=0, cpuset=set(), pcpuset={0}, memory=16,
                cpu_policy='dedicated', cpu_pinning={0: 2})],
            emulator_threads_policy=None)

    def test_vcpus_are_pinned_and_memory_is_ours(self):
        root = etree.fromstring(self.guest_xml(self.driver, self.server))
        self.assertEqual(['2'], [pin.get('cpuset') for pin in
                                 root.findall('cputune/vcpupin')])
        self.assertIsNotNone(root.find('cputune/emulatorpin'))
        self.assertEqual([], root.findall('numatune') +
                         root.findall('cpu/numa'))
        self.assertIn('memory-backend=nvram', [
            arg.get('value') for arg in root.iter('{*}arg')])

    def test_pinned_anew_where_it_is_migrated_to(self):
        xml = self.guest_xml(self.driver, self.server)
        data = objects.LibvirtLiveMigrateData(
            dst_numa_info=objects.LibvirtLiveMigrateNUMAInfo(
                cpu_pins={'0': {3}}, cell_pins={'0': {1}},
                emulator_pins={3}))
        root = migration._update_numa_xml(
            etree.fromstring(pvm_domain.movable(xml)), data)
        root = etree.fromstring(pvm_domain.moved(
            etree.tostring(root, encoding='unicode'), 16 << 20,
            self.driver.servers.of(self.server).binding(), HERE))
        self.assertEqual('3', root.find('cputune/vcpupin').get('cpuset'))
        self.assertEqual('3', root.find('cputune/emulatorpin').get('cpuset'))
        self.assertIsNone(root.find('numatune'))

    def test_what_is_not_pinned_moves_as_it_is(self):
        xml = self.guest_xml(self.driver, self.make_server(persistent=True))
        self.assertNotIn('numatune', pvm_domain.movable(xml))


class SeveralCellsTest(base.DriverTestCase):
    """Of a server with several cells: its firmware tells of them."""

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True, extra_specs={
            'hw:numa_nodes': '2', 'hw:numa_mem.0': '12', 'hw:numa_mem.1': '4',
            'hw:numa_cpus.0': '0-1', 'hw:numa_cpus.1': '2',
            'hw:cpu_threads': '1', 'hw:cpu_cores': '3'})
        self.server.flavor.vcpus = 3
        self.server.numa_topology = objects.InstanceNUMATopology(
            cells=[objects.InstanceNUMACell(
                id=cell, cpuset=set(), pcpuset=cpus, memory=memory,
                cpu_policy='dedicated',
                cpu_pinning={cpu: 2 + cpu for cpu in cpus})
                for cell, (cpus, memory) in enumerate(
                    (({0, 1}, 12), ({2}, 4)))],
            emulator_threads_policy=None)
        self.cells = srat.Cells(
            (srat.Cell(frozenset({0, 1}), 12 << 20),
             srat.Cell(frozenset({2}), 4 << 20)), 1, 3, 1)
        self.table = paths.cells_table(self.run_dir, self.server.uuid)
        self.useFixture(fixtures.MockPatchObject(
            self.driver, '_get_host_numa_topology',
            return_value=base.host_topology({2, 3}, {4, 5})))

    def test_qemu_is_given_their_table(self):
        xml = self.guest_xml(self.driver, self.server)
        args = args_of(xml)
        at = args.index('-acpitable')
        self.assertEqual(srat.arguments(self.table), args[at:at + 4])
        self.assertIn('memory-backend=nvram', args)
        self.assertNotIn('-numa', args)
        root = etree.fromstring(xml)
        self.assertEqual([], root.findall('numatune') +
                         root.findall('cpu/numa'))
        self.assertEqual(['2', '3', '4'], [
            pin.get('cpuset') for pin in root.findall('cputune/vcpupin')])

    def test_paged_memory_has_them_too(self):
        self.server.flavor.extra_specs['temporality:mrr'] = '50'
        persistence.freeze(self.server, True)
        self.assertIn('-acpitable', args_of(
            self.guest_xml(self.driver, self.server)))

    def test_table_is_there_before_qemu(self):
        self.guest_xml(self.driver, self.server)
        pvm = self.driver.servers.of(self.server)
        for prepare in (pvm.prepare_boot, pvm.prepare_recovery):
            prepare()
            with open(self.table, 'rb') as stream:
                self.assertEqual(srat.table(self.cells), stream.read())
            self.assertEqual(0o444, os.stat(self.table).st_mode & 0o777)

    def test_vcpus_are_numbered_as_in_the_table_with_any_image(self):
        for image in (None, self.image(hw_cpu_sockets='3',
                                       hw_cpu_cores='1')):
            root = etree.fromstring(self.guest_xml(
                self.driver, self.server, image))
            self.assertEqual(
                {'sockets': '1', 'cores': '3', 'threads': '1'},
                dict(root.find('cpu/topology').attrib))

    def test_one_cell_needs_none(self):
        server = self.make_server(
            persistent=True, extra_specs={'hw:numa_nodes': '1'})
        self.assertNotIn('-acpitable', args_of(
            self.guest_xml(self.driver, server)))
        self.driver.servers.of(server).prepare_boot()
        self.assertFalse(os.path.exists(
            paths.cells_table(self.run_dir, server.uuid)))

    def test_moves_to_the_other_hosts_table(self):
        xml = self.guest_xml(self.driver, self.server)
        data = objects.LibvirtLiveMigrateData(
            dst_numa_info=objects.LibvirtLiveMigrateNUMAInfo(
                cpu_pins={'0': {6}, '1': {7}, '2': {9}},
                cell_pins={'0': {0}, '1': {1}}, emulator_pins={6}))
        pvm = self.driver.servers.of(self.server)
        domain = mock.create_autospec(libvirt.virDomain, instance=True)
        domain.XMLDesc.return_value = xml
        guest = live_migration.MovingGuest(domain, self.context, pvm)
        root = migration._update_numa_xml(
            etree.fromstring(guest.get_xml_desc()), data)
        xml = pvm_domain.moved(etree.tostring(root, encoding='unicode'),
                               16 << 20, pvm.binding(), HERE)
        self.assertIn('file=' + HERE.cells_table, args_of(xml))
        self.assertNotIn(self.table, xml)
        root = etree.fromstring(xml)
        self.assertIsNone(root.find('numatune'))
        self.assertEqual(['6', '7', '9'], [
            pin.get('cpuset') for pin in root.findall('cputune/vcpupin')])


class RefusedGuestTest(base.DriverTestCase):
    """The second line of defence: finished configurations."""

    def refused(self, pattern, server=None, image=None):
        server = server or self.make_server(persistent=True)
        exc = self.assertRaises(exception.NotPossible, self.guest_xml,
                                self.driver, server, image)
        self.assertRegex(exc.format_message(), pattern)

    def test_devices_and_memory(self):
        cases = {
            'memory backing': ('membacking',
                               vconfig.LibvirtConfigGuestMemoryBacking()),
            'pluggable memory': ('max_memory_size', 4096),
            'memory encryption': ('launch_security', object()),
        }
        for pattern, (attribute, value) in cases.items():
            guest = vconfig.LibvirtConfigGuest()
            setattr(guest, attribute, value)
            exc = self.assertRaises(
                exception.NotPossible, pvm_domain.PersistentGuest, guest,
                HERE, SPEC, GENID)
            self.assertIn(pattern, exc.format_message())

    def test_cpus(self):
        cpu = vconfig.LibvirtConfigGuestCPU()
        cpu.numa = vconfig.LibvirtConfigGuestCPUNUMA()
        cpu.numa.cells = [vconfig.LibvirtConfigGuestCPUNUMACell()
                          for _ in range(2)]
        guest = vconfig.LibvirtConfigGuest()
        guest.cpu = cpu
        for pattern in ('2 NUMA cells', "'invtsc'"):
            exc = self.assertRaises(
                exception.NotPossible, pvm_domain.PersistentGuest, guest,
                HERE, SPEC, GENID)
            self.assertIn(pattern, exc.format_message())
            cpu.numa = None
            cpu.add_feature(vconfig.LibvirtConfigGuestCPUFeature('invtsc'))
        [feature] = cpu.features
        feature.policy = 'disable'
        pvm_domain.PersistentGuest(guest, HERE, SPEC, GENID)

    def test_foreign_memory_writers(self):
        vhostuser = vconfig.LibvirtConfigGuestInterface()
        vhostuser.net_type = 'vhostuser'
        shared = vconfig.LibvirtConfigGuestDisk()
        shared.shareable = True
        shared.target_dev = 'vdb'
        for pattern, device in (
                ('host devices', vconfig.LibvirtConfigGuestHostdevPCI()),
                ('shares', vconfig.LibvirtConfigGuestFilesys()),
                ('vhost-user', vhostuser), ('shareable.*vdb', shared)):
            guest = vconfig.LibvirtConfigGuest()
            guest.add_device(device)
            exc = self.assertRaises(
                exception.NotPossible, pvm_domain.PersistentGuest, guest,
                HERE, SPEC, GENID)
            self.assertRegex(exc.format_message(), pattern)


class RefusedRequestTest(base.DriverTestCase):
    """The first line of defence: nothing is allocated."""

    def refused(self, pattern, server, image=None, network_info=None,
                block_device_info=None):
        exc = self.assertRaises(
            exception.NotPossible, self.driver.spawn, self.context, server,
            image or self.image(), [], None, {},
            network_info=network_info or [],
            block_device_info=block_device_info)
        self.assertRegex(exc.format_message(), pattern)
        self.assertEqual([], self.pool().regions())

    def requested(self, **extra_specs):
        return self.make_server(
            metadata={'persistent': 'true'},
            extra_specs={key.replace('__', ':'): value
                         for key, value in extra_specs.items()})

    def test_bad_value(self):
        self.refused("'maybe'.*true", self.make_server(
            metadata={'persistent': 'maybe'}))

    def test_extra_specs(self):
        for pattern, specs in (
                ('pages of 1048576 KiB.*2 MiB', {'hw__mem_page_size': '1GB'}),
                ('pages of 64 KiB.*2 MiB', {'hw__mem_page_size': '64'}),
                ('less NVRAM than memory',
                 {'hw__mem_page_size': 'large', 'temporality__mrr': '50'}),
                ('PCI passthrough', {'pci_passthrough__alias': 'gpu:1'}),
                ('memory encryption', {'hw__mem_encryption': 'true'}),
                ('TPM', {'hw__tpm_version': '2.0'}),
                ('locked', {'hw__locked_memory': 'true'}),
                ('real-time', {'hw__cpu_realtime': 'yes'})):
            self.refused(pattern, self.requested(**specs))

    def test_image_properties(self):
        self.refused('pages of 64 KiB',
                     self.requested(hw__mem_page_size='any'),
                     image=self.image(hw_mem_page_size='64'))
        self.refused('memory encryption', self.requested(),
                     image=self.image(hw_mem_encryption=True))

    def test_ports(self):
        for key, value, pattern in (
                ('vnic_type', 'direct', "vnic_type 'direct'"),
                ('type', 'vhostuser', "bound as 'vhostuser'")):
            network_info = nova_test_driver._fake_network_info(self)
            network_info[0][key] = value
            self.refused(pattern, self.requested(), network_info=network_info)

    def test_disks_that_dm_crypt_encrypts(self):
        self.flags(enabled=True, group='ephemeral_storage_encryption')
        self.flags(images_type='lvm', images_volume_group='nova',
                   group='libvirt')
        self.refused('dm-crypt.*ephemeral_storage_encryption',
                     self.requested())

    def test_numa_cells_that_no_guest_can_be_told_of(self):
        server = self.requested(**{'hw__numa_nodes': '2'})
        server.flavor.vcpus = 2
        for image in (self.image(hw_architecture='aarch64'),
                      self.image(hw_emulation_architecture='aarch64')):
            self.refused('2 NUMA cells.* aarch64; .*hw:numa_nodes=1', server,
                         image=image)
        server.flavor.memory_mb = (960 << 10) + 2
        self.refused('2 NUMA cells with 983042 MiB.*at most 983040', server)

    def test_numa_cells_that_are_no_multiple_of_pages(self):
        server = self.requested(**{
            'hw__mem_page_size': 'large', 'hw__numa_nodes': '2',
            'hw__numa_mem.0': '13', 'hw__numa_mem.1': '3',
            'hw__numa_cpus.0': '0', 'hw__numa_cpus.1': '1'})
        server.flavor.vcpus = 2
        self.refused('13 MiB of memory in pages of 2 MiB.*each NUMA cell',
                     server)

    def test_cpu_whose_state_cannot_be_saved(self):
        self.flags(cpu_model_extra_flags=['pdpe1gb', '+Invtsc'],
                   group='libvirt')
        self.refused("'\\+Invtsc'.*cpu_model_extra_flags", self.requested())

    def test_sizes(self):
        for specs, pattern in (
                ({'temporality__mrr': '5'}, "mrr' is '5'.*10 to 100"),
                ({'temporality__nvram_mb': '17'}, "nvram_mb' is '17'"),
                ({'temporality__mrr': '50', 'temporality__nvram_mb': '8'},
                 'exclude each other')):
            self.refused(pattern, self.requested(**specs))

    def test_virt_type(self):
        self.flags(virt_type='lxc', group='libvirt')
        self.refused("virt_type 'lxc'", self.requested())
