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

"""How much a recovery asks nova-conductor: a region's hosts ask at once."""

import threading
from unittest import mock

from nova import context as nova_context
from nova import objects

from bench.region import inputs
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt.recovery import service
from tests.unit.virt.recovery import recovery_base

# Seconds in which too many would meet.
_MOMENT = 0.3


class QuestionsTest(recovery_base.RecoveryTestCase):

    def test_as_many_as_the_simulation_of_a_region_has(self):
        self.fixate()
        figures = inputs.figures()
        before = self.asked()
        self.assertIsNone(self.recover())
        # Without the look while it is waited for the service.
        self.assertEqual(
            4 * figures['confirm_questions'] + figures['begin_questions'] +
            figures['finish_questions'], self.asked() - before)

    def asked(self):
        return sum(question.call_count for question in (
            objects.Service.get_by_compute_host, objects.Instance.get_by_uuid,
            objects.MigrationList.get_by_filters,
            objects.BlockDeviceMappingList.get_by_instance_uuid,
            self.action_start, self.event_start,
            self.event_finish_with_failure, objects.Instance.save))

    def test_few_servers_of_a_host_ask_at_a_time(self):
        too_many = threading.Barrier(service._ASKING + 1)
        met = []

        def answer(context, uuid):
            try:
                too_many.wait(_MOMENT)
            except threading.BrokenBarrierError:
                return
            met.append(uuid)

        def ask(number):
            ownership.confirm(nova_context.get_admin_context(), str(number),
                              self.driver.recoveries.service)

        with mock.patch.object(ownership, 'confirm_here', answer):
            threads = [threading.Thread(target=ask, args=(number,))
                       for number in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual([], met)

    def test_who_was_refused_lets_others_ask(self):
        self.is_fresh.return_value = False
        for _ in range(2 * service._ASKING):
            self.assertIn('counts as down', self.recover())
        self.is_fresh.return_value = True
        self.fixate()
        self.assertIsNone(self.recover())
