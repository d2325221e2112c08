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

"""Volumes of pVMs: attached safely, on record, and there after an outage."""

import contextlib
from unittest import mock

import fixtures
from lxml import etree
from nova.virt import driver as virt_driver
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import exception
from nova_temporality.virt.recovery import volumes
from nova_temporality.virt import server as pvm_server
from tests.unit.virt import base

VOLUME = {'serial': 'volume', 'data': {}}


def disk(cache='none', shareable=False, source='/dev/sdb'):
    config = vconfig.LibvirtConfigGuestDisk()
    config.source_type = 'block'
    config.source_path = source
    config.source_device = 'disk'
    config.target_dev = 'vdb'
    config.target_bus = 'virtio'
    config.driver_name = 'qemu'
    config.driver_format = 'raw'
    config.driver_cache = cache
    config.driver_io = 'native'
    config.serial = 'volume'
    config.shareable = shareable
    return config


class AttachTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.guest = mock.Mock()
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest', return_value=self.guest))
        for name in ('_connect_volume', '_disconnect_volume',
                     '_get_volume_config', '_build_device_metadata'):
            setattr(self, name, self.useFixture(
                fixtures.MockPatchObject(self.driver, name)).mock)
        self._build_device_metadata.return_value = None
        self.record = self.useFixture(fixtures.MockPatchObject(
            pvm_server.PersistentServer, 'record_domain')).mock
        self.driver.servers.of(self.server).ensure_region()

    def attach(self, config, server=None):
        self._get_volume_config.return_value = config
        self.driver.attach_volume(self.context, VOLUME,
                                  server or self.server, '/dev/vdb', 'virtio')
        return etree.fromstring(
            self.guest.attach_device.call_args[0][0].to_xml())

    def test_failed_requests_are_kept_and_the_machine_is_on_record(self):
        root = self.attach(disk())
        driver = root.find('driver')
        self.assertEqual('stop', driver.get('error_policy'))
        self.assertEqual('stop', driver.get('rerror_policy'))
        self.assertEqual('none', driver.get('cache'))
        self.assertTrue(self.record.called)

    def test_paged(self):
        server = self.make_server(
            persistent=True, extra_specs={'temporality:mrr': '50'})
        driver = self.attach(disk(), server).find('driver')
        self.assertEqual('writethrough', driver.get('cache'))
        self.assertEqual('threads', driver.get('io'))

    def test_queues_are_those_of_the_flavor(self):
        server = self.make_server(
            persistent=True,
            extra_specs={'temporality:disk_queue_size': '128'})
        driver = self.attach(disk(), server).find('driver')
        self.assertEqual(('128', '1'), (driver.get('queue_size'),
                                        driver.get('queues')))

    def test_completed_writes_are_durable(self):
        driver = self.attach(disk('writeback')).find('driver')
        self.assertEqual('none', driver.get('cache'))

    def test_shareable_ones_are_refused(self):
        exc = self.assertRaises(exception.NotPossible, self.attach,
                                disk(shareable=True))
        self.assertIn('shareable', exc.format_message())
        self.assertTrue(self._disconnect_volume.called)
        self.assertFalse(self.guest.attach_device.called)

    def test_others_get_them_as_ever(self):
        root = self.attach(disk('writeback'),
                           self.make_server(persistent=False))
        self.assertIsNone(root.find('driver').get('error_policy'))
        self.assertFalse(self.record.called)

    def test_detached_one_leaves_the_record(self):
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'detach_volume') as detach:
            self.driver.detach_volume(self.context, VOLUME, self.server,
                                      '/dev/vdb')
        self.assertTrue(detach.called)
        self.assertTrue(self.record.called)


class ExtendTest(base.DriverTestCase):

    def test_not_fixated_meanwhile(self):
        server = self.make_server(persistent=True)
        steps = []

        @contextlib.contextmanager
        def machine_change(pvm):
            steps.append('change')
            yield
            steps.append('record')

        with mock.patch.object(pvm_server.PersistentServer, 'machine_change',
                               machine_change), (
                mock.patch.object(libvirt_driver.LibvirtDriver,
                                  'extend_volume',
                                  side_effect=lambda *_args:
                                  steps.append('extend'))):
            self.driver.extend_volume(self.context, VOLUME, server, 2 << 30)
            self.assertEqual(['change', 'extend', 'record'], steps)
            self.driver.extend_volume(
                self.context, VOLUME, self.make_server(persistent=False),
                2 << 30)
        self.assertEqual(['change', 'extend', 'record', 'extend'], steps)


class AssistedSnapshotTest(base.DriverTestCase):
    """Snapshots of attached volumes, which Cinder asks Nova for."""

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.pvm = self.driver.servers.of(self.server)
        self.pvm.ensure_region()
        self.active = True
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest'))
        self.useFixture(fixtures.MockPatchObject(
            pvm_server.PersistentServer, 'is_active',
            side_effect=lambda: self.active))
        self.told = self.useFixture(fixtures.MockPatchObject(
            self.driver, '_volume_snapshot_update_status')).mock
        self.useFixture(fixtures.MockPatchObject(
            self.driver, '_volume_refresh_connection_info'))
        self.create, self.delete = (
            self.useFixture(fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver, name)).mock
            for name in ('_volume_snapshot_create',
                         '_volume_snapshot_delete'))

    def ask(self, server=None):
        """Ask for both; return the statuses that Cinder is told."""
        server = server or self.server
        self.told.reset_mock()
        with mock.patch.object(self.driver, '_volume_api') as cinder:
            cinder.get_snapshot.return_value = {'status': 'available'}
            self.driver.volume_snapshot_create(
                self.context, server, 'volume',
                {'type': 'qcow2', 'snapshot_id': 's', 'new_file': 'new'})
        self.driver.volume_snapshot_delete(self.context, server, 'volume',
                                           's', {})

    def refused(self):
        for ask, status in (
                (lambda: self.driver.volume_snapshot_create(
                    self.context, self.server, 'volume',
                    {'type': 'qcow2', 'snapshot_id': 's',
                     'new_file': 'new'}), 'error'),
                (lambda: self.driver.volume_snapshot_delete(
                    self.context, self.server, 'volume', 's', {}),
                 'error_deleting')):
            self.told.reset_mock()
            exc = self.assertRaises(exception.NotPossible, ask)
            self.assertIn('Stop the server', exc.format_message())
            self.told.assert_called_once_with(self.context, 's', status)
        self.assertFalse(self.create.called)
        self.assertFalse(self.delete.called)

    def test_refused_while_it_runs(self):
        self.refused()

    def test_refused_while_it_stands_still_in_a_state(self):
        self.active = False
        pool = self.pool()
        region = pool.lookup(self.server.uuid)
        pool.begin_epoch(region.id)
        base.fixate(pool, region.id)
        self.refused()

    def test_made_when_it_is_stopped(self):
        self.active = False
        self.ask()
        self.assertTrue(self.create.called)
        self.assertTrue(self.delete.called)

    def test_made_for_others(self):
        self.ask(self.make_server(persistent=False))
        self.assertTrue(self.create.called)
        self.assertTrue(self.delete.called)


UUID = '1f0d1e3c-7b5a-4c1e-9a55-0c6f1a2b3c4d'
OTHER = '2f0d1e3c-7b5a-4c1e-9a55-0c6f1a2b3c4d'


class ConnectTest(base.DriverTestCase):

    XML = ('<domain><devices><disk type="file"><source file="/root"/>'
           '<target dev="vda"/></disk><disk type="block">'
           '<source dev="/dev/sdb" index="2"/><target dev="vdb"/>'
           '<serial>%s</serial></disk></devices></domain>' % UUID)

    def volume(self, uuid=UUID, **connection_info):
        return {'connection_info': {'serial': uuid, 'data': {},
                                    **connection_info},
                'mount_device': '/dev/vdb', 'disk_bus': 'virtio',
                'device_type': 'disk'}

    def connect(self, mapping, xml=XML, fails=None):
        with mock.patch.object(virt_driver, 'get_block_device_info',
                               return_value={'block_device_mapping':
                                             mapping}), \
                mock.patch.object(self.driver, '_connect_volume',
                                  side_effect=fails) as connect, \
                mock.patch.object(self.driver, '_get_volume_driver'
                                  ) as volume_driver:
            volume_driver.return_value.get_config.return_value = disk(
                source='/dev/sdc')
            xml = volumes.Connections(self.driver).connect(
                self.context, self.make_server(persistent=True), xml,
                mock.Mock())
        return connect, xml

    def sources(self, xml):
        return [dict(source.attrib) for source in
                etree.fromstring(xml).iter('source')]

    def test_volume_has_another_name_after_boot(self):
        connect, xml = self.connect([self.volume()])
        self.assertTrue(connect.called)
        self.assertEqual([{'file': '/root'},
                          {'dev': '/dev/sdc', 'index': '2'}],
                         self.sources(xml))

    def test_no_volumes(self):
        xml = ('<domain><devices><disk><source file="/root"/>'
               '<target dev="vda"/></disk></devices></domain>')
        connect, connected = self.connect([], xml)
        self.assertFalse(connect.called)
        self.assertEqual(xml, connected)

    def test_attachment_that_was_cut_off_is_left_out(self):
        """Nova itself leaves such mappings out."""
        for nothing in {}, None:
            cut_off = dict(self.volume(), connection_info=nothing)
            connect, xml = self.connect([cut_off, self.volume()])
            self.assertEqual(1, connect.call_count)

    def test_volume_that_was_not_in_the_machine_yet(self):
        """Nova knew its connection, but QEMU did not have it."""
        xml = ('<domain><devices><disk><source file="/root"/>'
               '<target dev="vda"/></disk></devices></domain>')
        _connect, connected = self.connect([self.volume()], xml)
        self.assertEqual([{'file': '/root'}], self.sources(connected))

    def test_volume_that_is_not_the_servers_any_more(self):
        """It may be another server's by now, so nothing is connected."""
        for mapping in ([], [self.volume(OTHER)],
                        [dict(self.volume(), connection_info={})]):
            connected = []
            exc = self.assertRaises(
                exception.RecoveryFailed, self.connect, mapping,
                fails=lambda *_args: connected.append(True))
            self.assertIn(UUID, self.fault(exc))
            self.assertEqual([], connected)

    def test_missing_volume_is_named(self):
        """Storage often comes up after compute hosts."""
        def fails(*_args):
            raise OSError(107, 'Transport endpoint is not connected')

        exc = self.assertRaises(exception.RecoveryFailed, self.connect,
                                [self.volume()], fails=fails)
        self.assertIn(UUID, self.fault(exc))
        self.assertIn('endpoint', self.fault(exc))

    def test_cold_boot_leaves_it_out_too(self):
        server = self.make_server(persistent=True)
        with mock.patch.object(
                virt_driver, 'get_block_device_info',
                return_value={'root_device_name': '/dev/vda',
                              'block_device_mapping': [
                                  dict(self.volume(), connection_info={}),
                                  self.volume()]}):
            info = volumes.attached(server, mock.Mock())
        self.assertEqual({'root_device_name': '/dev/vda',
                          'block_device_mapping': [self.volume()]}, info)
