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

"""What guest agents are asked for when their servers run on."""

from unittest import mock

import fixtures
import libvirt
from nova.virt.libvirt import guest as libvirt_guest

from nova_temporality.virt import agent
from nova_temporality.virt.recovery import clock
from tests.unit import base

SINCE = clock.Instant(1, 2)

DOMAIN = """<domain>
<devices>
<channel type='unix'><target type='virtio' name='other'
  state='connected'/></channel>
%s
</devices>
</domain>"""
AGENT = """<channel type='unix'>
<target type='virtio' name='org.qemu.guest_agent.0' state='%s'/>
</channel>"""


class AgentTest(base.NovaTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(agent, '_INTERVAL', 0))
        self.problems = [None]
        self.problem = self.useFixture(fixtures.MockPatchObject(
            clock, 'problem', side_effect=lambda since:
            self.problems.pop(0))).mock
        self.waited = self.useFixture(fixtures.MockPatchObject(
            clock, 'wait_synchronised')).mock
        self.domain = mock.Mock()
        self.domain.UUIDString.return_value = 'uuid'

    def catch_up(self, *states, **kwargs):
        """Catch up; return what the agent was asked for."""
        self.domain.XMLDesc.side_effect = [
            DOMAIN % (AGENT % state if state else '') for state in states]
        agent.catch_up(libvirt_guest.Guest(self.domain), SINCE,
                       **kwargs).join()
        self.assertEqual(len(states), self.domain.XMLDesc.call_count)
        return [call[0] for call in self.domain.method_calls
                if call[0] in ('fsThaw', 'setTime')]

    def test_none_there(self):
        self.assertEqual([], self.catch_up(''))

    def test_time_is_set(self):
        self.assertEqual(['setTime'], self.catch_up('connected'))

    def test_waits_for_a_host_clock_that_is_right(self):
        self.problems = ['not synchronised', None]
        self.assertEqual(['setTime'], self.catch_up('connected'))
        self.assertTrue(self.waited.called)
        self.problem.assert_called_with(SINCE)

    def test_time_is_not_set_by_a_host_clock_that_is_wrong(self):
        self.problems = ['not synchronised'] * 2
        with self.assertLogs(agent.LOG.logger, 'WARNING') as logs:
            self.assertEqual(['fsThaw'],
                             self.catch_up('connected', frozen=True))
        self.assertIn('not synchronised', logs.output[0])

    def test_libvirt_gets_to_know_it_later(self):
        self.assertEqual(['setTime'], self.catch_up(
            'disconnected', 'disconnected', 'connected'))

    def test_guest_that_does_not_start_it(self):
        self.useFixture(fixtures.MockPatchObject(agent, '_PATIENCE', 0))
        self.assertEqual([], self.catch_up('disconnected', frozen=True))

    def test_frozen_guest_is_thawed_first(self):
        self.assertEqual(['fsThaw', 'setTime'],
                         self.catch_up('connected', frozen=True))

    def test_guest_that_does_not_thaw(self):
        self.domain.fsThaw.side_effect = libvirt.libvirtError('no')
        with self.assertLogs(agent.LOG.logger, 'WARNING') as logs:
            self.assertEqual(['fsThaw'],
                             self.catch_up('connected', frozen=True))
        self.assertIn('may be frozen', logs.output[0])

    def test_qemu_that_ends_meanwhile(self):
        self.domain.XMLDesc.side_effect = libvirt.libvirtError('gone')
        with self.assertLogs(agent.LOG.logger, 'WARNING'):
            agent.catch_up(libvirt_guest.Guest(self.domain), SINCE).join()
        self.assertFalse(self.domain.setTime.called)
