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

"""Recovery at the start of nova-compute, with real states in a real pool.

QEMU and libvirt are stood in for; tests/functional and tests/cloud have the
real ones.
"""

import os
import socket
from unittest import mock

import fixtures
import libvirt
from lxml import etree
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import conf
from nova_temporality.host import notes
from nova_temporality.privsep import runs
from nova_temporality.qemu import incoming as state_loader
from nova_temporality.virt import domain_record
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt.recovery import resume
from tests.framework import page_table
from tests.unit.virt import base
from tests.unit.virt.recovery import recovery_base

# as libvirt shows it
SERIAL = '''<devices>
<serial type='tcp'>
  <source mode='bind' host='127.0.0.1' service='%d'/>
</serial>
<console type='tcp'>
  <source mode='bind' host='127.0.0.1' service='%d'/>
</console>
</devices>'''


class RecoveryTest(recovery_base.RecoveryTestCase):

    def assert_not_resumed(self, reason):
        self.assertIsNone(self.domain)
        self.assertFalse(self.connection.createXML.called)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertEqual(power_state.SHUTDOWN, self.server.power_state)
        self.assertEqual(1, len(self.faults))
        self.assertIn(reason, self.faults[0])

    # -- lost -------------------------------------------------------------

    def lose_memory(self):
        pool = self.pool()
        pool.free(self.server.uuid)
        self.region = pool.alloc_vpm(self.server.uuid, 16 << 20, 8 << 20,
                                     self.swap_dir)
        pool.begin_epoch(self.region.id)
        self.record()
        page_table.note_error(self.region, page_table.SWAP_IN)

    def test_memory_that_was_lost_before(self):
        self.lose_memory()
        self.recover()
        self.assert_not_resumed('A part of its memory is lost: a page could '
                                'not be read')

    def test_memory_that_is_lost_while_the_state_is_loaded(self):
        self.lose_memory()
        self.fixate()
        self.useFixture(fixtures.MockPatchObject(runs, 'check_pager'))

        def load(*_args):
            # its QEMU has ended
            self.domain.destroy.side_effect = libvirt.libvirtError('gone')
            raise state_loader.RecoveryError('the connection is closed')
        self.load.side_effect = load
        self.recover()
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        [fault] = self.faults
        self.assertIn('Fixated, but not recovered: a page could not be read',
                      fault)
        # it is to be tried again when the disk is well
        self.assertTrue(self.proven())

    # -- proven ----------------------------------------------------------

    def test_runs_on(self):
        self.fixate()
        self.server.flavor.extra_specs = {'temporality:priority': '70'}
        order = []
        self.load.side_effect = lambda *args: order.append(
            ('load', self.proven()))
        create = self.connection.createXML.side_effect

        def create_domain(xml, flags):
            domain = create(xml, flags)
            resume = domain.resume.side_effect

            def watched():
                order.append(('resume', self.proven()))
                resume()

            domain.resume.side_effect = watched
            return domain

        self.connection.createXML.side_effect = create_domain
        self.recover()
        # the state is given up after it was loaded and before vCPUs run
        self.assertEqual([('load', True), ('resume', False)], order)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual(power_state.RUNNING, self.server.power_state)
        self.assertEqual([], self.faults)
        self.assertFalse(runs.is_recovering(self.run_dir,
                                            self.server.uuid))
        self.assertEqual(
            70, notes.read_priority(self.run_dir, self.server.uuid))
        self.assertIsNone(
            self.event_finish_with_failure.call_args[1]['exc_val'])

    def test_lost_definition_is_made_anew(self):
        self.fixate()
        self.recover()
        # one that boots, and before there is the one that does not
        self.assertEqual(['defineXML', 'createXML'],
                         [call[0] for call in self.connection.mock_calls])
        self.assertNotIn('defer', self.connection.defineXML.call_args[0][0])

    def test_definition_is_kept(self):
        self.fixate()
        self.make_domain(power_state.SHUTDOWN)
        self.recover()
        self.assertTrue(self.connection.createXML.called)
        self.assertFalse(self.connection.defineXML.called)

    def test_never_twice(self):
        self.fixate()
        self.recover()
        self.domain = None
        self.recover()
        self.assertEqual(1, self.connection.createXML.call_count)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)

    def test_guest_catches_up(self):
        self.fixate()
        since = self.driver.servers.of(self.server).fixated_at()
        self.recover()
        self.catch_up.assert_called_once_with(mock.ANY, since, frozen=False)

    def test_guest_whose_image_was_being_made_is_thawed(self):
        self.server.task_state = task_states.IMAGE_SNAPSHOT
        self.fixate()
        self.recover()
        self.catch_up.assert_called_once_with(mock.ANY, mock.ANY, frozen=True)

    def test_nova_clears_the_task_before_it_is_recovered(self):
        """It does while it starts; recovery begins when it has started."""
        self.server.task_state = task_states.IMAGE_SNAPSHOT
        self.fixate()
        confirm = ownership.confirm

        def clear(*args):
            self.server.task_state = None
            return confirm(*args)

        with mock.patch.object(ownership, 'confirm', clear):
            self.recover()
        self.catch_up.assert_called_once_with(mock.ANY, mock.ANY, frozen=True)

    def test_serial_consoles_get_ports_that_are_free(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            self.flags(port_range='%d:%d' % (port, port + 100),
                       group='serial_console')
            with open(domain_record.path(self.server), 'r+') as stream:
                xml = stream.read().replace(
                    '</domain>', SERIAL % (port, port) + '</domain>')
                stream.seek(0)
                stream.write(xml)
            self.fixate()
            self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        [xml] = self.connection.createXML.call_args[0][:1]
        ports = {int(one.get('service'))
                 for one in etree.fromstring(xml).iter('source')}
        self.assertEqual(1, len(ports), xml)
        self.assertGreater(ports.pop(), port)
        # which other machines may have taken
        self.assertIn("service='%d'" % port, domain_record.read(self.server))

    def test_paused_server_stays_paused_and_proven(self):
        self.server.vm_state = vm_states.PAUSED
        self.fixate('paused')
        self.recover()
        self.assertFalse(self.domain.resume.called)
        self.assertTrue(self.proven())
        self.assertEqual(power_state.PAUSED, self.server.power_state)

    def test_server_in_error_is_healed(self):
        self.server.vm_state = vm_states.ERROR
        self.fixate()
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_qemu_does_not_take_the_state(self):
        self.fixate()
        self.load.side_effect = state_loader.RecoveryError('no such device')
        self.recover()
        self.assertTrue(self.domain.destroy.called)
        self.assertFalse(self.domain.resume.called)
        self.assertTrue(self.proven())
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertIn('no such device', self.faults[0])
        # once the cause is gone
        self.load.side_effect = None
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_server_that_stood_still_for_its_disk(self):
        self.fixate('io-error')
        with self.assertLogs(resume.LOG.logger, 'WARNING') as logs:
            self.recover()
        self.assertIn('"temporality status" says what to do', logs.output[0])
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_each_failed_try_is_one_event(self):
        self.fixate()
        self.connection.createXML.side_effect = libvirt.libvirtError('no')
        for tries in (1, 2):
            self.recover()
            self.assertEqual(tries, self.action_start.call_count)
            self.assertEqual(tries, self.event_finish_with_failure.call_count)

    def test_ordinary_server_is_left_alone(self):
        """Somebody asked to recover one."""
        ordinary = self.make_server(persistent=False)
        self.recover_all(ordinary)
        self.assertEqual([], self.faults)
        self.assertEqual(vm_states.ACTIVE, ordinary.vm_state)

    def test_libvirt_does_not_start_it(self):
        self.fixate()
        self.connection.createXML.side_effect = libvirt.libvirtError('no tap')
        self.recover()
        self.assertTrue(self.proven())
        self.assertIn('no tap', self.faults[0])

    def test_no_record_of_the_machine(self):
        self.fixate()
        os.unlink(os.path.join(self.directory, 'temporality-domain.xml'))
        self.recover()
        self.assertTrue(self.proven())
        self.assertIn('record', self.faults[0])

    def test_memory_in_use_elsewhere(self):
        self.fixate()
        with open(self.region.ram_path, 'r+b'):
            self.recover()
        self.assertIn('another process', self.faults[0])
        self.assertIsNone(self.domain)
        self.assertTrue(self.proven())

    def test_one_fault_leaves_others_alone(self):
        other = self.make_server(persistent=True)
        other.uuid = '00000000-0000-0000-0000-00000000000a'
        other.power_state = power_state.RUNNING
        self.fixate()
        self.recover_all(other, self.server)
        self.assertEqual(vm_states.ERROR, other.vm_state)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    # -- no outage, or somebody else's business --------------------------

    def test_restart_of_nova_compute_touches_nothing(self):
        for state in (power_state.RUNNING, power_state.PAUSED):
            self.make_domain(state)
            self.recover()
            self.assertFalse(self.domain.resume.called)
            self.assertFalse(self.domain.destroy.called)
        self.fixate()
        self.recover()
        self.assertTrue(self.proven())
        self.assertFalse(self.connection.createXML.called)

    def test_servers_that_should_not_run(self):
        self.fixate()
        for attribute, value in (('vm_state', vm_states.STOPPED),
                                 ('vm_state', vm_states.BUILDING),
                                 ('vm_state', vm_states.SOFT_DELETED),
                                 ('host', 'another'),
                                 ('task_state', 'deleting')):
            server = self.make_server(persistent=True)
            setattr(server, attribute, value)
            self.recover_all(server)
        self.assertFalse(self.connection.createXML.called)
        self.assertTrue(self.proven())

    def test_start_that_was_not_recorded(self):
        """Nova starts it again; it runs on as soon as Nova is done."""
        self.fixate()
        self.server.vm_state = vm_states.STOPPED
        self.server.task_state = task_states.POWERING_ON
        self.server.power_state = power_state.SHUTDOWN
        self.assertIn('has not recorded its start', self.recover())
        self.added.reset_mock()
        self.driver.power_on(self.context, self.server, [])
        self.added.assert_called_once_with(self.server.uuid)
        self.assertFalse(self.reboot.called)
        self.assertTrue(self.proven())
        # What Nova does then.
        self.server.vm_state = vm_states.ACTIVE
        self.server.task_state = None
        self.assertIsNone(self.recover())
        self.assertTrue(self.domain.resume.called)
        self.assertEqual(power_state.RUNNING, self.server.power_state)

    def test_start_that_was_cut_off_before_it_ran(self):
        self.server.vm_state = vm_states.STOPPED
        self.server.task_state = task_states.POWERING_ON
        self.assertIsNone(self.recover())
        self.driver.power_on(self.context, self.server, [])
        self.assertTrue(self.reboot.called)
        self.assertEqual([], self.faults)

    def test_server_that_shut_itself_down(self):
        self.server.power_state = power_state.SHUTDOWN
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual([], self.faults)

    # -- recoveries that were cut off ------------------------------------

    def test_cut_off_before_the_state_was_given_up(self):
        self.fixate()
        self.make_domain(power_state.PAUSED)
        half = self.domain
        runs.prepare_recovery(self.pool_path, self.run_dir,
                              self.server.uuid, os.getgid(), 50)
        self.recover()
        self.assertTrue(half.destroy.called)
        self.assertTrue(self.connection.createXML.called)
        self.assertTrue(self.domain.resume.called)

    def test_cut_off_before_vcpus_ran(self):
        self.fixate()
        runs.prepare_recovery(self.pool_path, self.run_dir,
                              self.server.uuid, os.getgid(), 50)
        self.make_domain(power_state.PAUSED)
        self.pool().begin_epoch(self.region.id)
        self.recover()
        self.assertFalse(self.domain.destroy.called)
        self.assertTrue(self.domain.resume.called)
        self.assertFalse(self.connection.createXML.called)
        self.assertFalse(runs.is_recovering(self.run_dir,
                                            self.server.uuid))

    # -- not proven ------------------------------------------------------

    def test_no_fixation(self):
        self.recover()
        self.assert_not_resumed('marker')
        self.assertFalse(self.reboot.called)
        # and it stays at one fault
        self.recover()
        self.assertEqual(1, len(self.faults))

    def test_damaged_state(self):
        self.fixate()
        path = os.path.join(os.path.dirname(self.region.ram_path), 'state')
        with open(path, 'r+b') as state:
            state.seek(4096)
            state.write(b'D')
        self.recover()
        self.assert_not_resumed('checksum')

    def test_stale_state(self):
        self.fixate()
        self.pool().begin_epoch(self.region.id)
        path = os.path.join(os.path.dirname(self.region.ram_path), 'state')
        # as if the marker had been put back
        pool = self.pool()
        base.fixate(pool, self.region.id)
        with open(path, 'rb') as state:
            old = state.read()
        pool.begin_epoch(self.region.id)
        with open(path, 'r+b') as state:
            state.write(old)
        self.recover()
        self.assert_not_resumed('epoch')

    def test_no_region(self):
        self.pool().free(self.server.uuid)
        self.recover()
        self.assert_not_resumed(self.server.uuid)

    def test_cold_boot_if_configured(self):
        conf.CONF.set_override('on_unproven_state', 'cold-boot',
                               group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'on_unproven_state',
                        group='temporality')
        self.recover()
        self.assertTrue(self.reboot.called)
        self.assertFalse(self.connection.createXML.called)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertIn('marker', self.faults[0])

    # -- evacuated -------------------------------------------------------

    def test_evacuated_server_is_discarded_and_never_resumed(self):
        """Nova destroys it first, and gives us no more than its own."""
        self.fixate()
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'destroy'):
            self.driver.destroy(self.context, self.server, [])
        self.assertEqual([], self.pool().regions())
        # ... even if it did not, since it is the other host's now.
        self.region = self.pool().alloc(self.server.uuid, 16 << 20)
        self.fixate()
        self.server.host = 'other'
        self.recover()
        self.assertIsNone(self.domain)
        self.assertTrue(self.proven())
