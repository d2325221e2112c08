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
"""What of a recorded machine may be rewritten, and what never is."""

import os

import libvirt
from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt.recovery import base as recovery_module
from nova_temporality.virt.recovery import rewriting
from nova_temporality import vpm
from tests.unit.virt.recovery import recovery_base

XML = '''<domain type="qemu" xmlns:qemu="%s">
 <genid>4f1c</genid><memory unit="KiB">16384</memory><vcpu>2</vcpu>
 <os><type arch="x86_64" machine="pc-i440fx-10.0">hvm</type>%s</os>
 <cpu mode="custom"><model>Nehalem</model></cpu>
 <devices><emulator>%s</emulator>
  <disk type="file"><source file="/root-disk"/><target dev="vda"/>
   <address type="pci" slot="0x04"/></disk>
  <serial type="tcp"><source mode="bind" host="127.0.0.1" service="1"/>
   </serial>
 </devices>
 <qemu:commandline><qemu:arg value="-object"/>
  <qemu:env name="LD_PRELOAD" value="/opt/temporality-1.0/libvpm-preload.so"/>
  <qemu:env name="VPM_DIRECTORY" value="/pool/region"/></qemu:commandline>
</domain>'''
NS = 'http://libvirt.org/schemas/domain/qemu/1.0'


class RewritingTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.qemu = self.file('qemu-system-x86_64')
        self.flags(enabled=True, port_range='40000:40010',
                   group='serial_console')
        self.connection.getDomainCapabilities.return_value = (
            '<domainCapabilities><path>/usr/bin/qemu-of-now</path>'
            '</domainCapabilities>')

    def file(self, name):
        path = os.path.join(self.directory, name)
        with open(path, 'wb'):
            pass
        return path

    def rewritten(self, emulator=None, firmware=''):
        self.before = XML % (NS, firmware, emulator or self.qemu)
        recovery = recovery_module.Recovery(self.driver, self.context,
                                            self.server)
        return etree.fromstring(rewriting.for_now(
            recovery, self.before, recovery.bdms()))

    def preloaded(self, root):
        return {env.get('name'): env.get('value')
                for env in root.iter('{%s}env' % NS)}

    def test_library_is_the_present_one(self):
        self.assertEqual({'LD_PRELOAD': vpm.PRELOAD_PATH,
                          'VPM_DIRECTORY': '/pool/region'},
                         self.preloaded(self.rewritten()))

    def test_library_at_a_stable_path(self):
        self.set_option('preload_path', '/usr/lib/libvpm-preload.so')
        self.assertEqual('/usr/lib/libvpm-preload.so',
                         self.preloaded(self.rewritten())['LD_PRELOAD'])

    def test_paged_server_needs_the_library(self):
        pool = self.pool()
        pool.free(self.server.uuid)
        pool.alloc_vpm(self.server.uuid, 16 << 20, 8 << 20, self.swap_dir)
        self.set_option('preload_path', '/nowhere/libvpm-preload.so')
        exc = self.assertRaises(exception.RecoveryFailed, self.rewritten)
        self.assertIn('preload_path', self.fault(exc))

    def test_qemu_that_is_there_is_kept(self):
        self.assertEqual(self.qemu,
                         self.rewritten().findtext('devices/emulator'))

    def test_qemu_that_an_upgrade_moved(self):
        root = self.rewritten('/opt/qemu-9/qemu-system-x86_64')
        self.assertEqual('/usr/bin/qemu-of-now',
                         root.findtext('devices/emulator'))
        self.connection.getDomainCapabilities.assert_called_once_with(
            None, 'x86_64', 'pc-i440fx-10.0', 'qemu')

    def test_no_qemu_has_its_machine_any_more(self):
        self.connection.getDomainCapabilities.side_effect = (
            fakelibvirt.make_libvirtError(
                libvirt.libvirtError, 'unsupported machine'))
        exc = self.assertRaises(exception.RecoveryFailed, self.rewritten,
                                '/opt/qemu-9/qemu-system-x86_64')
        for word in '/opt/qemu-9', 'pc-i440fx-10.0', 'unsupported machine':
            self.assertIn(word, self.fault(exc))

    def test_firmware_is_never_replaced(self):
        there = '<loader readonly="yes">%s</loader>' % self.file('OVMF.fd')
        self.rewritten(firmware=there)
        for name in 'loader', 'kernel', 'initrd':
            exc = self.assertRaises(
                exception.RecoveryFailed, self.rewritten,
                firmware='<%s>/usr/share/OVMF.fd</%s>' % (name, name))
            self.assertIn('/usr/share/OVMF.fd', self.fault(exc))

    def test_nothing_else_differs(self):
        root = self.rewritten('/opt/qemu-9/qemu-system-x86_64')
        before = etree.fromstring(self.before)
        for one in root, before:
            one.find('devices/emulator').text = ''
            one.find('devices/serial/source').set('service', '')
            for env in one.iter('{%s}env' % NS):
                if env.get('name') == pvm_domain.PRELOAD_ENV:
                    env.set('value', '')
        self.assertEqual(etree.tostring(before), etree.tostring(root))

    def test_servers_are_started_with_the_library_at_its_path(self):
        self.set_option('preload_path', '/usr/lib/libvpm-preload.so')
        self.assertEqual('/usr/lib/libvpm-preload.so',
                         pvm_domain.preload_path())
        conf.CONF.clear_override('preload_path', group='temporality')
        self.assertEqual(vpm.PRELOAD_PATH, pvm_domain.preload_path())
