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

"""A server that is booted afresh, as nothing is left to run on from."""

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
import oslo_messaging

from nova_temporality import exception
from tests.unit.virt.recovery import recovery_base


class ColdBootTest(recovery_base.RecoveryTestCase):
    """It does not end half-way: what went wrong is told, and tried again."""

    def setUp(self):
        super().setUp()
        self.set_option('on_unproven_state', 'cold-boot')
        self.boot = self.reboot.side_effect

    def assert_booted(self, times):
        self.assertIsNone(self.recover())
        self.assertEqual(times, self.reboot.call_count)
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertIsNone(self.server.task_state)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        # It is not booted again by a later start of nova-compute.
        self.assertIsNone(self.recover())
        self.assertEqual(times, self.reboot.call_count)

    def test_boot_that_fails(self):
        self.reboot.side_effect = exception.NotPossible(reason='no network')
        self.assertIn('no network', self.recover())
        self.assertIn('no network', self.faults[-1])
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.reboot.side_effect = self.boot
        self.assert_booted(2)

    def test_nova_did_not_take_the_end(self):
        def save():
            if self.domain:
                # as it was saved before
                self.server.task_state = task_states.REBOOT_STARTED_HARD
                raise oslo_messaging.MessagingTimeout()

        self.saved.side_effect = save
        self.assertIsNotNone(self.recover())
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.saved.side_effect = None
        self.assert_booted(1)

    def test_boot_that_is_not_let_run(self):
        """It may be another host's server; then it is this one's after all."""
        def refuse(*_args):
            self.make_domain(power_state.PAUSED)
            raise exception.NotOwner(reason='it is evacuated')

        self.reboot.side_effect = refuse
        self.assertIn('evacuated', self.recover())
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.reboot.side_effect = self.boot
        self.assert_booted(2)

    def test_users_own_reboot_is_left_to_nova(self):
        self.server.task_state = task_states.REBOOT_STARTED_HARD
        self.assertIsNone(self.recover())
        self.assertFalse(self.reboot.called)
        self.assertEqual(task_states.REBOOT_STARTED_HARD,
                         self.server.task_state)

    def test_server_that_is_stopped_meanwhile_is_not_booted(self):
        self.reboot.side_effect = exception.NotPossible(reason='no network')
        self.assertIsNotNone(self.recover())
        self.server.vm_state = vm_states.STOPPED
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.server.vm_state = vm_states.ACTIVE
        self.server.power_state = power_state.SHUTDOWN
        self.assertIsNone(self.recover())
        self.assertEqual(1, self.reboot.call_count)
