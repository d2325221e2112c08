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
"""Disks that somebody changed while a server was dark."""

import os
import time

from nova.compute import vm_states
from nova import exception as nova_exception

from nova_temporality.host import disk_notes
from nova_temporality.host import notes
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.qemu import incoming
from nova_temporality.virt.recovery import changed_disks
from tests.unit.virt.recovery import recovery_base

SECOND = 1000000000


class RemoteDisksTest(recovery_base.RecoveryTestCase):
    """Disks that only QEMU can reach; tests/functional reads them."""

    def setUp(self):
        super().setUp()
        self.fixate()

    def refused(self, words):
        self.assertIn(words, self.recover())
        self.assertFalse(self.domain.resume.called)
        self.assertFalse(self.domain.isActive())
        self.assertTrue(self.proven())
        self.assertFalse(runs.is_recovering(self.run_dir, self.server.uuid))
        self.assertEqual(vm_states.ERROR, self.server.vm_state)

    def test_nothing_changed(self):
        self.compare_remote.side_effect = lambda *_args: (
            self.assertTrue(self.load.called)) or []
        self.assertIsNone(self.recover())
        self.assertTrue(self.domain.resume.called)

    def test_reverted(self):
        self.compare_remote.return_value = [
            'virtio-disk1: other contents']
        self.refused('virtio-disk1: other contents')
        self.assertIn('--accept-disks', self.faults[-1])
        # An operator says that they are right.
        notes.request_recovery(self.run_dir, self.server.uuid,
                               accept_disks=True)
        self.assertIsNone(self.recover())
        self.assertTrue(self.domain.resume.called)

    def test_storage_that_does_not_answer(self):
        self.compare_remote.side_effect = incoming.RecoveryError(
            'no answer in time')
        self.refused('no answer in time')


class ChangedDisksTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        self.disk = '/nowhere'
        super().setUp()
        self.disk = os.path.join(self.directory, 'disk')
        with open(self.disk, 'wb') as disk:
            disk.write(b'what the guest wrote')
        self.record()
        self.fixate()

    def xml(self):
        return super().xml().replace('</domain>', (
            '<devices><disk><source file="%s"/><target dev="vda"/></disk>'
            '<disk><source file="/etc/hostname"/><target dev="hda"/>'
            '<readonly/></disk></devices></domain>') % self.disk)

    def note(self):
        """What the notifier does while power lasts."""
        pool = self.pool()
        region = pool.lookup(self.server.uuid)
        disk_notes.take(self.pool_path, region, region.epoch, [self.disk])

    def change(self, hours):
        """Put another disk in its place, so many hours older or younger."""
        instant = time.time_ns() + hours * 3600 * SECOND
        with open(self.disk, 'wb') as disk:
            disk.write(b'what a backup had...')
        os.utime(self.disk, ns=(instant, instant))

    def refused(self):
        self.assertIn('disk', self.recover())
        self.assertIsNone(self.domain)
        self.assertTrue(self.proven())
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        # Of which Nova keeps so much.
        fault = self.faults[-1][:255]
        self.assertIn(self.disk, fault)
        self.assertIn('its disk is not what it was', fault)
        self.assertIn('--accept-disks', fault)

    def runs(self):
        self.assertIsNone(self.recover())
        self.assertTrue(self.domain.resume.called)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_nothing_changed(self):
        self.note()
        self.runs()

    def test_older_one_put_back(self):
        self.note()
        self.change(-1)
        self.refused()

    def test_repaired_by_a_helpful_hand(self):
        """Power went before there was a note."""
        self.change(1)
        self.refused()

    def test_without_a_note_it_is_resumed(self):
        self.runs()

    def test_resumed_once_the_right_one_is_back(self):
        self.note()
        os.rename(self.disk, self.disk + '.kept')
        self.change(-1)
        self.refused()
        os.rename(self.disk + '.kept', self.disk)
        self.runs()

    def test_accepted_by_its_operator(self):
        self.note()
        self.change(-1)
        self.refused()
        notes.request_recovery(self.run_dir, self.server.uuid,
                               accept_disks=True)
        self.runs()
        # Once.
        self.assertFalse(notes.accepts_disks(self.run_dir,
                                             self.server.uuid))

    def test_resumed_from_a_suspension(self):
        """Its tenant is told; it stays suspended."""
        self.note()
        self.change(-1)
        self.server.vm_state = vm_states.SUSPENDED
        exc = self.assertRaises(nova_exception.InstanceFaultRollback,
                                self.driver.resume, self.context,
                                self.server, [])
        self.assertIn('not what it was', str(exc.inner_exception))
        self.assertTrue(self.proven())
        self.assertIsNone(self.domain)

    def test_accepted_for_a_suspended_one(self):
        """Until its tenant resumes it, not only until the next try."""
        self.note()
        self.change(-1)
        self.server.vm_state = vm_states.SUSPENDED
        notes.request_recovery(self.run_dir, self.server.uuid,
                               accept_disks=True)
        self.driver.recoveries._try(self.server.uuid)
        self.assertIsNone(self.domain)
        self.driver.resume(self.context, self.server, [])
        self.assertTrue(self.domain.resume.called)
        self.assertFalse(notes.accepts_disks(self.run_dir,
                                             self.server.uuid))

    def test_note_goes_with_the_region(self):
        self.note()
        regions.free(self.pool_path, self.run_dir, self.server.uuid)
        self.assertEqual([], os.listdir(os.path.join(self.pool_path,
                                                     'disks')))

    def test_noted_by_nova_compute(self):
        regions.note_disks(self.pool_path, self.server.uuid, [self.disk])
        self.change(-1)
        self.refused()

    def test_what_is_only_read_is_not_looked_at(self):
        xml = self.xml()
        self.assertEqual({self.disk: '/dev/sdc'}, changed_disks._written(
            xml, xml.replace(self.disk, '/dev/sdc')))
