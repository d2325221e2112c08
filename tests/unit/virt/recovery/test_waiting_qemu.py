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

"""A QEMU that waits for its state is there, and is no server that runs.

nova-compute has ended in the midst of a recovery, or QEMU has taken the state
and was not let run. Its user knows nothing of that.
"""

from unittest import mock

import libvirt
from nova.compute import power_state
from nova.compute import vm_states
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.qemu import incoming
from nova_temporality.virt.actions import live_migration
from nova_temporality.virt import binding
from nova_temporality.virt import domain as pvm_domain
from tests.unit.virt.recovery import recovery_base


class WaitingQemuTest(recovery_base.RecoveryTestCase):
    """Nobody gives its state up, and nobody lets it run without it."""

    def setUp(self):
        super().setUp()
        self.fixate()
        self.make_domain(power_state.PAUSED)
        notes.set_recovering(self.run_dir, self.server.uuid, True)
        self.pvm = self.driver.servers.of(self.server)

    def assert_untouched(self):
        self.assertTrue(self.proven())
        self.assertFalse(self.domain.resume.called)
        # It is recovered all the same.
        self.assertIsNone(self.recover())
        self.assertEqual(1, self.load.call_count)
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_volume_is_attached(self):
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'attach_volume') as attach:
            self.assertRaises(exception.NotPossible, self.driver.attach_volume,
                              self.context, {}, self.server, '/dev/vdb')
        self.assertFalse(attach.called)
        self.assert_untouched()

    def test_port_is_detached(self):
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'detach_interface') as detach:
            self.assertRaises(exception.NotPossible,
                              self.driver.detach_interface, self.context,
                              self.server, {})
        self.assertFalse(detach.called)
        self.assert_untouched()

    def test_unpaused(self):
        self.server.vm_state = vm_states.PAUSED
        self.assertRaises(nova_exception.InstanceFaultRollback,
                          self.driver.unpause, self.server)
        self.assertTrue(self.proven())
        self.assertFalse(self.domain.resume.called)

    def test_live_migration_is_refused(self):
        self.assertRaises(nova_exception.MigrationPreCheckError,
                          live_migration.check_source, self.driver._host,
                          self.pvm)
        self.assert_untouched()

    def test_live_migration_begins(self):
        """It was checked before the recovery began."""
        guest = live_migration.MovingGuest(self.domain, self.context, self.pvm)
        with mock.patch.object(binding, 'announced'), (
                mock.patch.object(pvm_domain, 'moved')):
            self.assertRaises(nova_exception.InstanceNotRunning,
                              guest.migrate, 'there', destination_xml='<x/>')
        self.assertFalse(self.domain.migrateToURI3.called)
        self.assert_untouched()

    def test_state_that_it_was_given_is_not_in_the_way(self):
        """Its vCPUs run, or are about to; only Nova was not told yet."""
        self.pvm.discard_state()
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'attach_volume') as attach:
            self.driver.attach_volume(self.context, {}, self.server,
                                      '/dev/vdb')
        self.assertTrue(attach.called)


class QemuThatStaysTest(recovery_base.RecoveryTestCase):
    """A try failed, but its QEMU is still there: the next one begins anew."""

    def setUp(self):
        super().setUp()
        self.fixate()

    def assert_recovered_by_next_try(self):
        first = self.domain
        self.assertTrue(self.proven())
        self.assertIsNone(self.recover())
        self.assertIsNot(first, self.domain)
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_qemu_does_not_end_at_once(self):
        """The kernel takes back its memory, or its storage hangs."""
        def load(*_args):
            self.end = self.domain.destroy.side_effect
            self.domain.destroy.side_effect = libvirt.libvirtError('busy')
            raise incoming.RecoveryError('no answer')

        self.load.side_effect = load
        self.assertIsNotNone(self.recover())
        self.assertEqual(power_state.PAUSED, self.domain.state)
        self.load.side_effect = None
        self.domain.destroy.side_effect = self.end
        self.assert_recovered_by_next_try()

    def test_answer_of_libvirt_is_lost(self):
        def create(xml, flags):
            self.create_domain(xml, flags)
            self.connection.createXML.side_effect = self.create_domain
            raise libvirt.libvirtError('the connection has ended')

        self.connection.createXML.side_effect = create
        self.assertIsNotNone(self.recover())
        self.assert_recovered_by_next_try()
