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

"""What happens to a server while it is recovered, and after."""

import copy
from unittest import mock

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import utils as compute_utils
from nova.compute import vm_states
from nova import exception as nova_exception
from nova import objects
import oslo_messaging

from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.virt.recovery import clock
from nova_temporality.virt.recovery import manager
from tests.unit.virt.recovery import recovery_base


class ClockWaitTest(recovery_base.RecoveryTestCase):
    """What was read before the clock was waited for does not count."""

    def setUp(self):
        super().setUp()
        self.set_option('on_unproven_state', 'cold-boot')
        self.fixate()
        objects.Instance.get_by_uuid.side_effect = (
            lambda *args, **kwargs: copy.deepcopy(self.server))

    def recover_after(self, change):
        def wait(_deadline):
            change()
            return True

        with mock.patch.object(clock, 'wait_synchronised', wait):
            self.recover()
        self.assertFalse(self.reboot.called)
        self.assertEqual([], self.faults)

    def test_stopped(self):
        def change():
            self.driver.servers.of(self.server).discard_state()
            self.server.vm_state = vm_states.STOPPED
            self.server.power_state = power_state.SHUTDOWN

        self.recover_after(change)

    def test_resized_away(self):
        def change():
            self.driver.servers.of(self.server).free_region()
            self.server.task_state = task_states.RESIZE_MIGRATED

        self.recover_after(change)


class EndTest(recovery_base.RecoveryTestCase):
    """A server that runs does not stay in ERROR."""

    def test_nova_did_not_take_the_end(self):
        self.fixate()
        self.saved.side_effect = [oslo_messaging.MessagingTimeout(), None,
                                  None, None]
        self.assertIsNotNone(self.recover())
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertIsNone(self.recover())
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual(power_state.RUNNING, self.server.power_state)
        self.assertFalse(self.driver.servers.of(self.server).is_recovering())

    def test_answer_to_its_start_was_lost(self):
        self.make_domain(power_state.RUNNING)
        notes.set_recovering(self.run_dir, self.server.uuid, True)
        self.server.vm_state = vm_states.ERROR
        self.assertIsNone(self.recover())
        self.assertFalse(self.domain.resume.called)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_users_reboot_keeps_its_task(self):
        self.fixate()

        def recover(*_args):
            # Its lock is waited for.
            self.server.task_state = task_states.REBOOT_STARTED_HARD
            raise exception.RecoveryFailed(reason='volume')

        with mock.patch.object(manager, 'recover', recover):
            self.assertIn('volume', self.recover())
        self.assertEqual(task_states.REBOOT_STARTED_HARD,
                         self.server.task_state)
        self.assertEqual([], self.faults)

    def test_conductor_that_stops_in_the_midst_of_it(self):
        """Neither the action nor the fault can be told."""
        self.fixate()
        gone = oslo_messaging.MessagingTimeout()
        self.action_start.side_effect = gone
        self.saved.side_effect = gone
        compute_utils.add_instance_fault_from_exc.side_effect = gone
        self.assertIsNotNone(self.recover())
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        # What Nova does next, with resume_guests_state_on_host_boot.
        self.driver.resume_state_on_host_boot(self.context, self.server, [],
                                              None)
        self.assertFalse(self.reboot.called)
        self.assertTrue(self.proven())
        self.action_start.side_effect = None
        self.saved.side_effect = None
        self.assertIsNone(self.recover())
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_odd_answer_is_tried_again(self):
        self.fixate()
        objects.Service.get_by_compute_host.side_effect = (
            nova_exception.ComputeHostNotFound(host='host'))
        self.assertIsNotNone(self.recover())
        self.assertTrue(self.proven())
