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

"""Encrypted volumes on a host that has booted."""

from unittest import mock

from castellan.common import exception as castellan_exception
import fixtures
from lxml import etree
from nova.virt import driver as virt_driver
from nova.virt.libvirt import config as vconfig

from nova_temporality import exception
from nova_temporality.virt.recovery import volumes
from tests.unit.virt import base

UUID = '1f0d1e3c-7b5a-4c1e-9a55-0c6f1a2b3c4d'
# As libvirt gives it back, below "source", and as Nova makes it.
RECORDED = """<domain><devices><disk type="block">
<source dev="/dev/old"><encryption format="luks">
<secret type="passphrase" uuid="old"/></encryption></source>
<target dev="vdb"/><serial>%s</serial></disk></devices></domain>""" % UUID


class VolumeKeysTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.useFixture(fixtures.MockPatchObject(
            virt_driver, 'get_block_device_info',
            return_value={'block_device_mapping': [{
                'connection_info': {'serial': UUID, 'data': {}},
                'mount_device': '/dev/vdb', 'disk_bus': 'virtio',
                'device_type': 'disk'}]}))
        self.nova = self.useFixture(fixtures.MockPatchObject(
            self.driver, '_connect_volume')).mock
        self.config = vconfig.LibvirtConfigGuestDisk()
        self.config.source_type, self.config.source_path = 'block', '/dev/new'
        self.config.source_device, self.config.target_dev = 'disk', 'vdb'
        self.config.target_bus = 'virtio'
        self.useFixture(fixtures.MockPatchObject(
            self.driver, '_get_volume_driver', return_value=mock.Mock(
                get_config=lambda *_args: self.config)))

    def connect(self):
        return etree.fromstring(volumes.Connections(self.driver).connect(
            self.context, self.server, RECORDED, []))

    def secret(self, uuid):
        secret = vconfig.LibvirtConfigGuestDiskEncryptionSecret()
        secret.type, secret.uuid = 'passphrase', uuid
        encryption = vconfig.LibvirtConfigGuestDiskEncryption()
        encryption.format, encryption.secret = 'luks', secret
        self.config.volume_encryption = encryption

    def test_key_that_libvirt_was_given_anew(self):
        self.secret('new')
        root = self.connect()
        self.assertEqual('new', root.find('.//secret').get('uuid'))
        self.assertEqual('/dev/new', root.find('.//source').get('dev'))

    def test_key_that_libvirt_does_not_know(self):
        """It says so itself when the domain is started."""
        self.assertEqual('old', self.connect().find('.//secret').get('uuid'))

    def test_key_that_cannot_be_had(self):
        self.nova.side_effect = castellan_exception.Forbidden('no token')
        exc = self.assertRaises(exception.RecoveryFailed, self.connect)
        self.assertRegex(exc.format_message(),
                         'key of its volume %s.*no token' % UUID)
