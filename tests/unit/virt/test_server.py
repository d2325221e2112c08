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

"""One pVM: its lock, its region and the changes of its machine."""

import os
import threading
from unittest import mock

import fixtures
from nova.compute import power_state
from nova.compute import task_states
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import event as libvirtevent

from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.privsep import runs
from nova_temporality.virt.actions import unplugged
from nova_temporality.virt import domain_record
from nova_temporality.virt import server as pvm_server
from nova_temporality import vpm
from nova_temporality.vpm import runlock
from tests.unit.virt.recovery import recovery_base

# Seconds that a thread may need to do what it is not kept from.
_PATIENCE = 20


class ServerTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.pvm = self.driver.servers.of(self.server)

    def is_armed(self):
        """Whether it may be fixated."""
        lock = runlock.RunLock(self.region)
        try:
            lock.acquire(0)
        except runlock.RunLockTimeout:
            return False
        finally:
            lock.close()
        return not os.path.exists(
            paths.moving_note(self.run_dir, self.server.uuid))


class MachineChangeTest(ServerTest):

    def setUp(self):
        super().setUp()
        self.make_domain('running')

    def test_not_fixated_until_the_new_machine_is_on_record(self):
        def write(*_args):
            self.assertFalse(self.is_armed())

        with mock.patch.object(domain_record, 'write',
                               side_effect=write) as written:
            with self.pvm.machine_change():
                self.assertFalse(self.is_armed())
                self.assertFalse(written.called)
        self.assertTrue(written.called)
        self.assertTrue(self.is_armed())

    def test_earlier_state_is_stale_before_the_change(self):
        self.fixate()
        with mock.patch.object(domain_record, 'write'), (
                self.pvm.machine_change()):
            self.assertFalse(self.proven())

    def test_change_that_failed_is_on_record_too(self):
        """It may have been made in part."""
        with mock.patch.object(domain_record, 'write') as written:
            with self.assertRaisesRegex(RuntimeError, 'no'), (
                    self.pvm.machine_change()):
                raise RuntimeError('no')
        self.assertTrue(written.called)
        self.assertTrue(self.is_armed())

    def test_without_a_record_it_stays_disarmed(self):
        with mock.patch.object(domain_record, 'write',
                               side_effect=OSError(28, 'full')), (
                self.pvm.machine_change()):
            pass
        # It was changed, so that is no failure: Nova would give a volume to
        # others that the guest still writes to.
        self.assertFalse(self.is_armed())
        # once a minute
        with mock.patch.object(domain_record, 'write',
                               side_effect=OSError(28, 'full')):
            self.driver.servers.record_again()
        self.assertFalse(self.is_armed())
        with mock.patch.object(domain_record, 'write') as written:
            self.driver.servers.record_again()
            self.driver.servers.record_again()
        self.assertEqual(1, written.call_count)
        self.assertTrue(self.is_armed())

    def test_nova_compute_starts_without_the_record(self):
        with mock.patch.object(domain_record, 'write',
                               side_effect=OSError(28, 'full')), (
                self.pvm.machine_change()):
            pass
        self.driver.servers._guards.clear()
        runs._held.pop(self.server.uuid).lock.close()
        self.assertFalse(self.is_armed())
        # nova-compute starts again
        with mock.patch.object(domain_record, 'write') as written:
            with mock.patch.object(domain_record, 'read', return_value='old'):
                self.recover()
        self.assertTrue(written.called)
        self.assertTrue(self.is_armed())
        self.assertEqual([], self.faults)

    def test_start_that_cannot_write_the_record_leaves_it_disarmed(self):
        with mock.patch.object(domain_record, 'read', return_value='old'), (
                mock.patch.object(domain_record, 'write',
                                  side_effect=OSError(28, 'full'))):
            self.recover()
        self.assertFalse(self.is_armed())
        # It runs, so it is no error to its tenant.
        self.assertEqual([], self.faults)

    def test_start_leaves_a_record_that_fits(self):
        with mock.patch.object(domain_record, 'write') as written:
            self.recover()
        self.assertFalse(written.called)
        self.assertTrue(self.is_armed())

    def test_refused_while_it_is_fixated(self):
        changed = []

        def change():
            with self.pvm.machine_change():
                changed.append(True)

        with mock.patch('nova_temporality.privsep.runs._LOCK_TIMEOUT', 0), (
                runlock.RunLock(self.region)):
            self.assertRaises(runlock.RunLockTimeout, change)
        self.assertEqual([], changed)

    def why(self):
        return notes.why_moving(self.run_dir, self.server.uuid)

    def test_status_can_tell_why(self):
        with mock.patch.object(domain_record, 'write'):
            with self.pvm.machine_change():
                self.assertEqual(notes.CHANGES, self.why())
        self.assertIsNone(self.why())

    def test_status_can_tell_that_it_is_not_on_record(self):
        with mock.patch.object(domain_record, 'read', return_value='old'), (
                mock.patch.object(domain_record, 'write',
                                  side_effect=OSError(28, 'full'))):
            with self.pvm.machine_change():
                pass
            self.assertEqual(notes.NOT_ON_RECORD, self.why())
            self.pvm.rearm(notes.NOT_ON_RECORD)
            self.assertIsNone(self.why())
            # the start of nova-compute
            self.recover()
            self.assertEqual(notes.NOT_ON_RECORD, self.why())

    def test_server_that_is_off_has_no_machine(self):
        self.domain = None
        with mock.patch.object(domain_record, 'write') as written:
            with self.pvm.machine_change():
                self.assertTrue(self.is_armed())
        self.assertFalse(written.called)


class UnpluggedTest(ServerTest):
    """A device leaves the machine when nobody waits for it."""

    def setUp(self):
        super().setUp()
        self.make_domain('running')
        self.driver.servers.add(self.server.uuid)

    def unplug(self):
        follow = unplugged.follow
        threads = []
        with mock.patch.object(
                unplugged, 'follow',
                side_effect=lambda server: threads.append(follow(server))):
            self.driver.emit_event(libvirtevent.DeviceRemovedEvent(
                self.server.uuid, 'net1'))
        for thread in threads:
            thread.join(_PATIENCE)
            self.assertFalse(thread.is_alive())

    def test_record_follows(self):
        with open(domain_record.path(self.server), 'w') as record:
            record.write('<domain>with the device</domain>')
        self.unplug()
        self.assertEqual(self.xml(), domain_record.read(self.server))
        self.assertTrue(self.is_armed())

    def test_not_fixated_until_it_has(self):
        def write(*_args):
            self.assertFalse(self.is_armed())

        with mock.patch.object(domain_record, 'read', return_value='old'), (
                mock.patch.object(domain_record, 'write',
                                  side_effect=write)) as written:
            self.unplug()
        self.assertTrue(written.called)
        self.assertTrue(self.is_armed())

    def test_nothing_to_do_after_a_detachment_that_was_waited_for(self):
        with mock.patch.object(domain_record, 'write') as written:
            self.unplug()
        self.assertFalse(written.called)

    def test_power_failed_before_the_record_followed(self):
        """It is fixated without the device, and may be recovered so."""
        with open(domain_record.path(self.server), 'w') as record:
            record.write('<domain>with the device</domain>')
        with runlock.RunLock(self.region), mock.patch.object(
                runs, '_LOCK_TIMEOUT', 0):
            self.fixate()
            self.unplug()
        self.assertEqual(self.xml(), domain_record.read(self.server))
        self.assertTrue(self.proven())

    def test_record_that_cannot_be_written_while_it_is_fixated(self):
        """Once a minute it is tried again."""
        with open(domain_record.path(self.server), 'w') as record:
            record.write('<domain>with the device</domain>')
        with runlock.RunLock(self.region), mock.patch.object(
                runs, '_LOCK_TIMEOUT', 0), mock.patch.object(
                    domain_record, 'write', side_effect=OSError(28, 'full')):
            self.unplug()
        self.driver.servers.record_again()
        self.assertEqual(self.xml(), domain_record.read(self.server))
        self.assertTrue(self.is_armed())

    def test_not_armed_without_a_record(self):
        with mock.patch.object(domain_record, 'read', return_value='old'), (
                mock.patch.object(domain_record, 'write',
                                  side_effect=OSError(28, 'full'))):
            self.unplug()
        self.assertFalse(self.is_armed())

    def test_others_are_left_alone(self):
        self.driver.servers.remove(self.server.uuid)
        with mock.patch.object(domain_record, 'read', return_value='old'), (
                mock.patch.object(domain_record, 'write')) as written:
            self.unplug()
        self.assertFalse(written.called)


class DisarmTest(ServerTest):

    def test_not_ended_by_another(self):
        """A live migration begins while a device is detached, say."""
        self.pvm.disarm(notes.CHANGES)
        other = self.driver.servers.of(self.server)
        other.disarm(notes.MOVES)
        self.pvm.rearm(notes.CHANGES)
        self.assertFalse(self.is_armed())
        other.rearm(notes.MOVES)
        self.assertTrue(self.is_armed())

    def test_look_at_the_start_leaves_what_moves(self):
        self.make_domain(power_state.RUNNING)
        self.pvm.disarm(notes.MOVES)
        self.recover()
        self.assertFalse(self.is_armed())

    def test_reasons_end_with_the_qemu(self):
        self.pvm.disarm(notes.MOVES)
        self.pvm.prepare_boot()
        self.assertTrue(self.is_armed())
        self.pvm.disarm(notes.MOVES)
        self.assertFalse(self.is_armed())


class LockTest(ServerTest):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'destroy'))

    def destroy(self):
        self.driver.destroy(self.context, self.server, [])

    def has_region(self):
        try:
            self.pool().lookup(self.server.uuid)
        except vpm.NotFound:
            return False
        return True

    def test_one_lock_for_all_objects_of_a_server(self):
        self.assertIs(self.pvm.lock, self.driver.servers.of(self.server).lock)
        other = self.make_server(persistent=True)
        other.uuid = '00000000-0000-0000-0000-00000000000b'
        self.assertIsNot(self.pvm.lock, self.driver.servers.of(other).lock)

    def test_delete_during_a_hard_reboot_waits_and_frees(self):
        deletion = threading.Thread(target=self.destroy)
        with self.pvm.region_kept():
            self.destroy()
            self.assertTrue(self.has_region())
            deletion.start()
            deletion.join(0.2)
            self.assertTrue(deletion.is_alive())
            self.assertTrue(self.has_region())
        deletion.join(_PATIENCE)
        self.assertFalse(deletion.is_alive())
        self.assertFalse(self.has_region())

    def test_region_is_kept_no_longer_than_the_reboot(self):
        with self.assertRaisesRegex(RuntimeError, 'no'), (
                self.pvm.region_kept()):
            raise RuntimeError('no')
        self.destroy()
        self.assertFalse(self.has_region())


class ReservationTest(ServerTest):

    def test_for_once_and_for_the_rebuild_alone(self):
        self.pvm.reserve_room()
        self.server.task_state = task_states.REBUILD_SPAWNING
        self.assertTrue(self.pvm.take_reserved_room())
        self.assertFalse(self.pvm.take_reserved_room())

    def test_rebuild_that_failed_reserves_nothing_for_later(self):
        self.pvm.reserve_room()
        self.server.task_state = None
        self.assertFalse(self.pvm.take_reserved_room())
        self.server.task_state = task_states.REBUILD_SPAWNING
        self.assertFalse(self.pvm.take_reserved_room())


class SpecTest(ServerTest):

    def test_flavor_that_cannot_be_understood(self):
        self.server.flavor.extra_specs['temporality:mrr'] = 'half'
        self.assertRaisesRegex(exception.NotPossible, 'half',
                               lambda: self.pvm.spec)

    def test_unknown_group(self):
        self.addCleanup(pvm_server.CONF.clear_override, 'qemu_group',
                        group='temporality')
        pvm_server.CONF.set_override('qemu_group', 'no-such-group',
                                     group='temporality')
        self.assertRaisesRegex(nova_exception.InvalidConfiguration,
                               'no-such-group', pvm_server.qemu_gid)
