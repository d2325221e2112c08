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

"""What Nova gets to know of a server whose memory is lost."""

import os
from unittest import mock

import fixtures
from nova.compute import power_state
from nova.compute import utils as compute_utils
from nova.compute import vm_states
from nova import objects
from nova.virt import hardware
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import vpm
from tests.framework import page_table
from tests.unit.virt import base

MIB = 1 << 20


class LostMemoryTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.server.power_state = power_state.RUNNING
        self.region = self.pool().alloc_vpm(
            self.server.uuid, 16 * MIB, 8 * MIB, self.swap_dir)
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.server))
        self.faults = []
        self.useFixture(fixtures.MockPatchObject(
            compute_utils, 'add_instance_fault_from_exc',
            side_effect=lambda context, server, exc, info:
            self.faults.append(exc.format_message())))

    def ask(self, state=power_state.SHUTDOWN):
        with mock.patch.object(
                libvirt_driver.LibvirtDriver, 'get_info',
                return_value=hardware.InstanceInfo(state=state)):
            self.assertEqual(state, self.driver.get_info(self.server).state)

    def assert_untouched(self):
        self.assertEqual([], self.faults)
        self.assertEqual(power_state.RUNNING, self.server.power_state)
        self.assertFalse(self.saved.called)

    def test_error_with_the_reason(self):
        page_table.note_error(self.region, page_table.SWAP_IN)
        self.ask()
        self.assertEqual(
            ['A part of its memory is lost: a page could not be read from the '
             'swap file: page 7, slot 9: Input/output error'], self.faults)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertEqual(power_state.SHUTDOWN, self.server.power_state)
        self.assertTrue(self.saved.called)
        # told once
        self.ask()
        self.assertEqual(1, len(self.faults))

    def test_paused(self):
        self.server.vm_state = vm_states.PAUSED
        page_table.note_error(self.region, page_table.SWAP_IN)
        self.ask(power_state.CRASHED)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)

    def test_an_ordinary_end(self):
        self.ask()
        # that was tried again
        page_table.note_error(self.region, page_table.SWAP_OUT)
        self.ask()
        self.assert_untouched()

    def test_it_still_runs(self):
        page_table.note_error(self.region, page_table.SWAP_IN)
        self.ask(power_state.RUNNING)
        self.assert_untouched()

    def test_nova_works_on_it(self):
        page_table.note_error(self.region, page_table.SWAP_IN)
        self.server.task_state = 'powering-off'
        self.ask()
        self.server.task_state = None
        self.server.vm_state = vm_states.STOPPED
        self.ask()
        self.assert_untouched()

    def test_other_servers(self):
        page_table.note_error(self.region, page_table.SWAP_IN)
        self.server = self.make_server(persistent=False)
        self.server.power_state = power_state.RUNNING
        self.ask()
        self.assert_untouched()

    def test_pool_that_cannot_be_read(self):
        os.rename(self.pool_path, self.pool_path + '.away')
        self.ask()
        self.assert_untouched()

    def test_nothing_is_left_of_it_after_a_scrub(self):
        page_table.note_error(self.region, page_table.SWAP_IN)
        self.pool().scrub(self.region.id)
        self.ask()
        self.assert_untouched()
        self.assertIsNone(self.pool().stats(self.region.id).error)

    def test_server_without_region(self):
        self.pool().free(self.server.uuid)
        self.ask()
        self.assert_untouched()
        self.assertRaises(vpm.NotFound, self.pool().lookup, self.server.uuid)
