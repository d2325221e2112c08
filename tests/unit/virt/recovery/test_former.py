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

"""What a server was before its first recovery failed, it is again."""

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states

from nova_temporality.qemu import incoming
from nova_temporality.spec import system_metadata
from tests.unit.virt.recovery import recovery_base


class FormerTest(recovery_base.RecoveryTestCase):

    def fixate_again(self, runstate='running'):
        self.pool().begin_epoch(self.region.id)
        self.fixate(runstate)

    def fail_once(self):
        self.fixate_again()
        self.load.side_effect = incoming.RecoveryError('not now')
        self.assertIn('not now', self.recover())
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertTrue(self.proven())
        self.load.side_effect = None

    def test_states_of_before(self):
        for vm_state, state in (
                (vm_states.ACTIVE, power_state.RUNNING),
                (vm_states.PAUSED, power_state.PAUSED),
                (vm_states.RESIZED, power_state.RUNNING),
                (vm_states.RESCUED, power_state.RUNNING)):
            self.server.vm_state = vm_state
            self.fail_once()
            self.assertIsNone(self.recover())
            self.assertEqual(vm_state, self.server.vm_state)
            self.assertEqual(state, self.domain.state)
            self.assertEqual(state, self.server.power_state)
            self.domain = None
        self.assertIsNone(system_metadata.get(self.server,
                                              'former_vm_state'))

    def test_of_several_failures_the_first_counts(self):
        self.server.vm_state = vm_states.PAUSED
        self.fail_once()
        self.fail_once()
        self.recover()
        self.assertEqual(vm_states.PAUSED, self.server.vm_state)
        self.assertFalse(self.domain.resume.called)

    def test_reset_by_an_operator(self):
        self.server.vm_state = vm_states.PAUSED
        self.fail_once()
        self.server.vm_state = vm_states.ACTIVE
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_was_being_resumed(self):
        self.server.vm_state = vm_states.SUSPENDED
        self.server.task_state = task_states.RESUMING
        self.fail_once()
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_paused_from_outside_can_be_unpaused(self):
        for task_state in (None, task_states.PAUSING):
            self.server.vm_state = vm_states.ACTIVE
            self.server.task_state = task_state
            self.fixate_again('paused')
            self.recover()
            self.assertFalse(self.domain.resume.called)
            self.assertEqual(vm_states.PAUSED, self.server.vm_state)
            self.assertEqual(power_state.PAUSED, self.server.power_state)
            self.assertIsNone(self.server.task_state)
            self.domain = None
