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
"""Ports of pVMs that run: the same rules as for those they begin with."""

from unittest import mock

import fixtures
from lxml import etree
from nova.compute import power_state
from nova.network import model as network_model
from nova.virt.libvirt import vif as libvirt_vif

from nova_temporality import exception
from nova_temporality.virt import server as pvm_server
from tests.unit.virt import base


def port(**values):
    return network_model.VIF(**{
        'id': 'a-port', 'address': 'fa:16:3e:00:00:01', 'devname': 'tap1',
        'type': network_model.VIF_TYPE_TAP, 'vnic_type': 'normal',
        'network': network_model.Network(id='net', bridge='br'), **values})


class AttachTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.guest = mock.Mock()
        self.guest.get_power_state.return_value = power_state.RUNNING
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest', return_value=self.guest))
        self.useFixture(fixtures.MockPatchObject(
            self.driver, '_build_device_metadata', return_value=None))
        self.plug = self.useFixture(fixtures.MockPatchObject(
            libvirt_vif.LibvirtGenericVIFDriver, 'plug')).mock
        self.record = self.useFixture(fixtures.MockPatchObject(
            pvm_server.PersistentServer, 'record_domain')).mock

    def attach(self, vif, persistent=True, **extra_specs):
        self.flags(virt_type='kvm', group='libvirt')
        server = self.make_server(
            persistent=persistent, extra_specs={
                'temporality:' + key: value
                for key, value in extra_specs.items()})
        if persistent:
            self.driver.servers.of(server).ensure_region()
        self.driver.attach_interface(self.context, server, self.image(), vif)
        return etree.fromstring(
            self.guest.attach_device.call_args[0][0].to_xml())

    def backend(self, root):
        driver = root.find('driver')
        return None if driver is None else driver.get('name')

    def test_paged_servers_port_is_served_by_qemu(self):
        """vhost would write to pages that have left."""
        self.assertEqual('qemu', self.backend(self.attach(port(), mrr='50')))
        self.assertTrue(self.record.called)

    def test_others_keep_vhost(self):
        for persistent in True, False:
            self.assertNotEqual('qemu', self.backend(
                self.attach(port(), persistent)))

    def test_refused_before_anything_is_plugged(self):
        for vif, word in (
                (port(vnic_type='direct'), 'direct'),
                (port(vnic_type='vdpa'), 'vdpa'),
                (port(vnic_type='macvtap'), 'macvtap'),
                (port(type='vhostuser', details={
                    'vhostuser_mode': 'client',
                    'vhostuser_socket': '/run/x'}), 'vhostuser')):
            exc = self.assertRaises(exception.NotPossible, self.attach, vif)
            self.assertIn(word, exc.format_message())
            self.assertIn('a-port', exc.format_message())
        self.assertFalse(self.plug.called)
        self.assertFalse(self.guest.attach_device.called)

    def test_refused_for_what_it_turns_out_to_be(self):
        """Not all that is served elsewhere is bound under a telling name."""
        config = mock.Mock(side_effect=lambda *_args: self.vhostuser())
        with mock.patch.object(libvirt_vif.LibvirtGenericVIFDriver,
                               'get_config', config):
            exc = self.assertRaises(exception.NotPossible, self.attach,
                                    port())
        self.assertIn('vhost-user', exc.format_message())
        self.assertFalse(self.plug.called)

    @staticmethod
    def vhostuser():
        config = libvirt_vif.vconfig.LibvirtConfigGuestInterface()
        config.net_type = 'vhostuser'
        return config
