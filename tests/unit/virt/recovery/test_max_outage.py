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

"""An outage that was too long, and the clock that tells."""

import time
from unittest import mock

import fixtures
from nova.compute import power_state
from nova.compute import vm_states

from nova_temporality import conf
from nova_temporality.host import clock as host_clock
from nova_temporality.virt.recovery import clock
from tests.unit.virt.recovery import recovery_base


class MaxOutageTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.synchronised = self.useFixture(fixtures.MockPatchObject(
            host_clock, 'is_synchronised', return_value=True)).mock
        self.dark(3600)

    def dark(self, seconds):
        with mock.patch.object(time, 'time_ns', return_value=int(
                (time.time() - seconds) * 1e9)):
            self.fixate()

    def option(self, name, value):
        conf.CONF.set_override(name, value, group='temporality')
        self.addCleanup(conf.CONF.clear_override, name, group='temporality')

    def limit(self, seconds):
        self.option('max_outage', seconds)

    def assert_cold_boot(self, reason):
        self.assertTrue(self.reboot.called)
        self.assertFalse(self.connection.createXML.called)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual(power_state.RUNNING, self.server.power_state)
        self.assertIn(reason, self.faults[0])
        [event] = [call for call in self.event_finish_with_failure.mock_calls
                   if call[2]['exc_val'] is not None]
        self.assertIn(reason, str(event[2]['exc_val']))
        _context, kind, payload = self.sent.return_value.warn.call_args[0]
        self.assertEqual('temporality.pvm.not_resumed', kind)
        self.assertEqual(self.server.uuid, payload['name'])
        self.assertIn(reason, payload['reason'])
        _context, kind, versioned = (
            self.sent_versioned.return_value.warn.call_args[0])
        self.assertEqual('temporality.pvm.not_resumed', kind)
        self.assertEqual(payload, versioned['nova_object.data'])

    def assert_ran_on(self):
        self.assertFalse(self.reboot.called)
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertFalse(self.sent.called)

    def test_no_limit(self):
        self.recover()
        self.assert_ran_on()

    def test_too_long(self):
        self.limit(3599)
        self.recover()
        self.assert_cold_boot('longer than 3599 s')

    def test_not_too_long(self):
        self.limit(3700)
        self.recover()
        self.assert_ran_on()

    def test_flavor_is_stricter(self):
        self.limit(7200)
        self.server.flavor.extra_specs = {'temporality:max_outage': '60'}
        self.recover()
        self.assert_cold_boot('longer than 60 s')

    def test_flavor_is_laxer(self):
        self.limit(60)
        self.server.flavor.extra_specs = {'temporality:max_outage': '0'}
        self.recover()
        self.assert_ran_on()

    def test_clock_went_back(self):
        self.pool().begin_epoch(self.region.id)
        self.dark(-600)
        self.limit(3600)
        self.recover()
        self.assert_cold_boot('clock is behind')

    def assert_kept_until_the_clock_is_right(self):
        self.synchronised.return_value = False
        self.assertIn('not synchronised', self.recover())
        self.assertTrue(self.proven())
        self.assertFalse(self.reboot.called)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)

    def test_wrong_clock_gives_nothing_up(self):
        """It is 1970, or years later, until somebody has set it.

        Or it stood still, and the outage seems to have been short.
        """
        self.limit(7200)
        self.option('clock_wait', 0)
        for seconds in (-600, 10**8, 60):
            self.pool().begin_epoch(self.region.id)
            self.dark(seconds)
            self.assert_kept_until_the_clock_is_right()
        self.pool().begin_epoch(self.region.id)
        self.dark(3600)
        self.synchronised.return_value = True
        self.recover()
        self.assert_ran_on()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_clock_that_has_run_on_tells_enough(self):
        """Without a boot it is as right as it was."""
        self.synchronised.return_value = False
        self.pool().begin_epoch(self.region.id)
        with mock.patch.object(time, 'monotonic_ns', return_value=(
                time.monotonic_ns() - 3600 * 10**9)):
            self.dark(3600)
        self.limit(3599)
        self.recover()
        self.assert_cold_boot('longer than 3599 s')

    def test_suspended_servers_are_not_concerned(self):
        self.limit(60)
        self.server.vm_state = vm_states.SUSPENDED
        self.server.power_state = power_state.SHUTDOWN
        self.recover()
        self.assertTrue(self.proven())
        self.driver.resume(self.context, self.server, [])
        self.assert_ran_on()

    def test_rescued_server_is_left_off_for_unrescue(self):
        self.limit(60)
        self.server.vm_state = vm_states.RESCUED
        self.recover()
        self.assertFalse(self.reboot.called)
        self.assertFalse(self.proven())
        self.assertEqual(vm_states.RESCUED, self.server.vm_state)
        self.assertEqual(power_state.SHUTDOWN, self.server.power_state)

    def become_synchronised(self, _deadline):
        self.synchronised.return_value = True
        return True

    def test_clock_is_waited_for_where_it_matters(self):
        self.limit(7200)
        self.synchronised.return_value = False
        before = time.monotonic()
        with mock.patch.object(clock, 'wait_synchronised',
                               side_effect=self.become_synchronised) as wait:
            self.assertIsNone(self.recover())
        self.assertGreaterEqual(
            wait.call_args[0][0], before + conf.CONF.temporality.clock_wait)
        self.assert_ran_on()
        self.assertEqual([], self.faults)
        self.assertEqual([], self.event_finish_with_failure.mock_calls[1:])

    def test_clock_does_not_matter_without_a_limit(self):
        self.synchronised.return_value = False
        with mock.patch.object(clock, 'wait_synchronised') as wait:
            self.recover()
        self.assertFalse(wait.called)
        self.assert_ran_on()

    def test_clock_does_not_matter_without_an_outage(self):
        self.make_domain(power_state.RUNNING)
        with mock.patch.object(clock, 'wait_synchronised') as wait:
            self.recover()
        self.assertFalse(wait.called)


class LeftOffTest(recovery_base.RecoveryTestCase):
    """What is not proven, in states from which Nova leads a way back."""

    def test_resized_and_rescued_servers_keep_their_state(self):
        for vm_state in (vm_states.RESIZED, vm_states.RESCUED):
            self.server.vm_state = vm_state
            self.server.power_state = power_state.RUNNING
            self.recover()
            self.assertEqual(vm_state, self.server.vm_state)
            self.assertEqual(power_state.SHUTDOWN, self.server.power_state)
        self.assertIsNone(self.domain)
        self.assertEqual([], self.faults)

    def test_resized_and_rescued_servers_run_on(self):
        for vm_state in (vm_states.RESIZED, vm_states.RESCUED):
            self.domain = None
            self.fixate()
            self.server.vm_state = vm_state
            self.recover()
            self.assertEqual(vm_state, self.server.vm_state)
            self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_nova_goes_on_with_what_it_stopped(self):
        self.server.task_state = 'resize_migrating'
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual([], self.faults)
