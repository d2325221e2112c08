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

"""Disks that only QEMU reaches hold up nobody else when they hang."""

import threading

import libvirt
from nova.compute import power_state

from nova_temporality.qemu import incoming
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt.recovery import network_disks
from tests.unit.virt import base
from tests.unit.virt.recovery import recovery_base

UUID = '1f0d1e3c-7b5a-4c1e-9a55-0c6f1a2b3c4d'
DISKS = """<devices>
<disk type='file'><source file='/a'/><target dev='vda'/></disk>
<disk type='network'><source protocol='rbd' name='vms/b_disk'/>
<target dev='vdb'/><alias name='virtio-disk1'/></disk>%s
<disk type='file' device='cdrom'><target dev='sda'/></disk>
</devices>"""
VOLUME = """
<disk type='network'><source protocol='rbd' name='volumes/c'/>
<target dev='vdc'/><serial>%s</serial></disk>""" % UUID


class NetworkDisksTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        self.disks = DISKS % ''
        super().setUp()
        self.fixate()

    def xml(self):
        return super().xml().replace('</domain>', self.disks + '</domain>')

    def hang(self, xml, flags):
        """libvirt waits for a QEMU that waits for its disks."""
        ended = threading.Event()
        domain = super().create_domain(xml, flags)
        end = domain.destroy.side_effect
        domain.destroy.side_effect = lambda *args: (end(), ended.set())
        self.assertTrue(ended.wait(base.PATIENCE), 'nobody ends it')
        raise libvirt.libvirtError('process exited')

    def test_names(self):
        self.assertEqual(['vms/b_disk', 'volume ' + UUID],
                         network_disks.names(
                             '<domain>%s</domain>' % (DISKS % VOLUME)))

    def test_qemu_that_does_not_open_them(self):
        self.set_option('recovery_timeout', 1)
        self.connection.createXML.side_effect = self.hang
        self.assertIn('vms/b_disk', self.recover())
        self.assertIn('vms/b_disk', self.faults[-1])
        self.assertTrue(self.proven())
        self.assertFalse(self.domain.isActive())
        # They answer again.
        self.connection.createXML.side_effect = self.create_domain
        self.assertIsNone(self.recover())
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_one_that_was_changed(self):
        self.compare_remote.return_value = [
            '/machine/peripheral/virtio-disk1/virtio-backend: other contents']
        self.assertIn('vms/b_disk: other contents', self.recover())

    def test_one_that_answers_no_more(self):
        self.compare_remote.side_effect = incoming.RecoveryError(
            'no comparison: virtio-disk1: no answer in time')
        self.assertIn('vms/b_disk: no answer', self.recover())

    def recovers_although_others_hang(self, others):
        for _ in range(keeper._PARALLEL):
            self.driver.recoveries.slot(others).acquire()
        self.assertIsNone(self.in_thread(self.recover)())

    def test_others_of_that_kind_hang(self):
        self.disks = ''
        self.record()
        self.recovers_although_others_hang(True)

    def test_others_are_many(self):
        self.recovers_although_others_hang(False)
