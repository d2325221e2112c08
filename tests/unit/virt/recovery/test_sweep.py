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

"""Evacuations that were asked for before the service counted as up."""

import time

import fixtures
from nova.compute import power_state
from nova import objects

from nova_temporality.virt.recovery import sweep
from tests.unit.virt.recovery import recovery_base

# Seconds for what has to happen.
_PATIENCE = 30


_add = sweep.Sweep.add


class SweepTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        # not the stand-in of the base class
        self.useFixture(fixtures.MockPatchObject(sweep.Sweep, 'add', _add))
        self.useFixture(fixtures.MockPatchObject(sweep, '_INTERVAL', 0.01))
        self.useFixture(fixtures.MockPatchObject(
            sweep, '_DURATION', float(_PATIENCE)))
        self.sweep = sweep.Sweep(self.driver)
        self.addCleanup(self.end)
        self.make_domain(power_state.RUNNING)

    def end(self):
        with self.sweep._lock:
            self.sweep._deadlines.clear()
        self.wait_for(lambda: not self.sweep._runs)

    def evacuate(self, uuid, status='accepted'):
        self.evacuations.append(objects.Migration(
            status=status, dest_compute='there', instance_uuid=uuid))

    def wait_for(self, condition):
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def looked(self, times):
        return objects.MigrationList.get_by_filters.call_count >= times

    def test_ends_the_copy_here(self):
        self.sweep.add(self.server.uuid)
        self.wait_for(lambda: self.looked(2))
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.evacuate(self.server.uuid)
        self.wait_for(lambda: self.domain.state == power_state.SHUTDOWN)

    def test_ends_the_copy_here_when_the_other_one_is_there(self):
        """The evacuation took less time than the service to come up."""
        self.sweep.add(self.server.uuid)
        self.server.host = 'there'
        self.evacuate(self.server.uuid, 'done')
        self.wait_for(lambda: self.domain.state == power_state.SHUTDOWN)

    def test_leaves_one_that_has_come_back(self):
        """Nova forgets of an evacuation when it starts here."""
        self.evacuate(self.server.uuid, 'done')
        self.sweep.add(self.server.uuid)
        self.wait_for(lambda: self.looked(5))
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_leaves_others(self):
        self.evacuate('00000000-0000-0000-0000-00000000000b')
        self.sweep.add(self.server.uuid)
        self.wait_for(lambda: self.looked(5))
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_one_question_for_all(self):
        for number in range(50):
            self.sweep.add('server-%d' % number)
        before = objects.MigrationList.get_by_filters.call_count
        self.wait_for(lambda: self.looked(before + 3))
        self.assertLess(
            objects.MigrationList.get_by_filters.call_count, before + 50)

    def test_goes_on_when_nova_does_not_answer(self):
        answer = objects.MigrationList.get_by_filters.side_effect
        objects.MigrationList.get_by_filters.side_effect = OSError
        self.sweep.add(self.server.uuid)
        self.wait_for(lambda: self.looked(3))
        objects.MigrationList.get_by_filters.side_effect = answer
        self.evacuate(self.server.uuid)
        self.wait_for(lambda: self.domain.state == power_state.SHUTDOWN)

    def test_one_that_is_worked_on_keeps_no_other_running(self):
        """Its lock is held while it boots, for as long as a port takes."""
        busy = '00000000-0000-0000-0000-00000000000b'
        looked_at = []
        get_guest = self.driver._host.get_guest.side_effect
        self.driver._host.get_guest.side_effect = lambda server: (
            looked_at.append(server.uuid), get_guest(server))[1]
        with self.driver.servers.of(objects.Instance(uuid=busy)).lock:
            self.evacuate(busy)
            self.sweep.add(busy)
            self.wait_for(lambda: busy in looked_at)
            self.evacuate(self.server.uuid)
            self.sweep.add(self.server.uuid)
            self.wait_for(lambda: self.domain.state == power_state.SHUTDOWN)

    def test_does_not_end_before_nova_has_answered(self):
        """What is looked for may be there all the time."""
        self.useFixture(fixtures.MockPatchObject(sweep, '_DURATION', 0.0))
        answer = objects.MigrationList.get_by_filters.side_effect
        objects.MigrationList.get_by_filters.side_effect = OSError
        self.evacuate(self.server.uuid)
        self.sweep.add(self.server.uuid)
        self.wait_for(lambda: self.looked(3) or not self.sweep._runs)
        objects.MigrationList.get_by_filters.side_effect = answer
        self.wait_for(lambda: self.domain.state == power_state.SHUTDOWN)
        # Then it ends.
        self.evacuations.clear()
        self.wait_for(lambda: not self.sweep._runs)

    def test_evacuation_that_failed_while_the_lock_was_waited_for(self):
        """The server was recovered meanwhile, and has no state any more."""
        looked_at = []
        get_guest = self.driver._host.get_guest.side_effect
        self.driver._host.get_guest.side_effect = lambda server: (
            looked_at.append(server.uuid), get_guest(server))[1]
        with self.driver.servers.of(self.server).lock:
            self.evacuate(self.server.uuid)
            self.sweep.add(self.server.uuid)
            self.wait_for(lambda: looked_at)
            self.evacuations.clear()
        self.wait_for(lambda: not self.sweep._being_ended)
        self.assertEqual(power_state.RUNNING, self.domain.state)
