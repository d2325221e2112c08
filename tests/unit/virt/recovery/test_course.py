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

"""What is written down of recoveries, for the report of the outage."""

from unittest import mock

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states

from nova_temporality import exception
from nova_temporality.host import recovery_log
from nova_temporality.privsep import recoveries
from nova_temporality.qemu import incoming
from tests.unit.virt.recovery import recovery_base


class CourseTest(recovery_base.RecoveryTestCase):

    def entries(self):
        return recovery_log.read(self.pool_path)

    def entry(self):
        [entry] = self.entries()
        return entry

    def event_ns(self):
        return self.pool().verify_state(self.region.id).meta.wall_ns

    def test_resumed(self):
        self.fixate()
        event_ns = self.event_ns()
        self.assertIsNone(self.recover())
        entry = self.entry()
        self.assertEqual(
            (self.server.uuid, self.server.display_name, 'resumed', '', '',
             event_ns),
            (entry.name, entry.display_name, entry.result, entry.fault,
             entry.reason, entry.event_ns))
        self.assertEqual(list(recovery_log.STEPS), list(entry.instants))
        instants = list(entry.instants.values())
        self.assertEqual(sorted(instants), instants)
        self.assertTrue(entry.boot_id)

    def test_fails_once_is_told_once(self):
        self.fixate()
        self.load.side_effect = incoming.RecoveryError('no such device')
        said = self.driver.recoveries._try(self.server.uuid)
        self.driver.recoveries._try(self.server.uuid, said)
        entry = self.entry()
        self.assertEqual(('failed', 'RecoveryFailed', self.event_ns()),
                         (entry.result, entry.fault, entry.event_ns))
        self.assertIn('no such device', entry.reason)
        self.assertNotIn(recovery_log.LOADED, entry.instants)
        self.load.side_effect = None
        self.driver.recoveries._try(self.server.uuid, said)
        self.assertEqual(['failed', 'resumed'],
                         [entry.result for entry in self.entries()])

    def test_reason_that_changes_with_every_try(self):
        self.fixate()
        for number in range(30):
            self.load.side_effect = incoming.RecoveryError('try %d' % number)
            self.driver.recoveries._try(self.server.uuid)
        self.load.side_effect = None
        self.driver.recoveries._try(self.server.uuid)
        *failed, last = [entry.result for entry in self.entries()]
        self.assertEqual((['failed'] * 20, 'resumed'), (failed, last))

    def test_left_off(self):
        self.recover()
        entry = self.entry()
        self.assertEqual(('off', 'StateUnproven', 0),
                         (entry.result, entry.fault, entry.event_ns))
        self.assertIn('No proven state', entry.reason)

    def test_booted_afresh(self):
        self.set_option('on_unproven_state', 'cold-boot')
        self.recover()
        self.assertEqual(('booted', 'StateUnproven'),
                         (self.entry().result, self.entry().fault))

    def test_nova_does_not_take_the_boot_at_first(self):
        self.set_option('on_unproven_state', 'cold-boot')
        with mock.patch.object(recovery_base.keeper.manager.refusal,
                               'finish_boot',
                               side_effect=OSError('no database')):
            self.recover()
        self.driver.recoveries._try(self.server.uuid)
        self.assertEqual(['failed', 'booted'],
                         [entry.result for entry in self.entries()])

    def test_suspended(self):
        self.fixate()
        self.server.task_state = task_states.SUSPENDING
        self.recover()
        self.assertEqual('suspended', self.entry().result)

    def test_gone(self):
        self.fixate()
        with mock.patch.object(recovery_base.keeper.manager, 'recover',
                               side_effect=exception.Gone(reason='deleted')):
            self.recover()
        self.assertEqual(('gone', 'Gone'),
                         (self.entry().result, self.entry().fault))

    def test_nova_does_not_take_it_at_first(self):
        self.fixate()
        with mock.patch.object(recovery_base.keeper.manager.resume, 'finish',
                               side_effect=OSError('no database')):
            self.recover()
        self.server.vm_state = vm_states.ACTIVE
        self.recover()
        failed, resumed = self.entries()
        self.assertEqual(('failed', 'resumed'),
                         (failed.result, resumed.result))
        self.assertIn(recovery_log.RUNNING, failed.instants)

    def test_restart_of_nova_compute_is_no_recovery(self):
        self.make_domain(power_state.RUNNING)
        self.recover()
        self.assertEqual([], self.entries())

    def test_recovery_does_not_depend_on_it(self):
        self.fixate()
        with mock.patch.object(recoveries, 'record',
                               side_effect=OSError('no space')):
            self.assertIsNone(self.recover())
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertEqual([], self.entries())
