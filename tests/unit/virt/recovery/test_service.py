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

"""Whether nova-compute's service counts as up."""

import datetime
import threading
import time
from unittest import mock

import fixtures
from nova import baserpc
from nova import objects
from nova import rpc
import oslo_messaging

from nova_temporality import exception
from nova_temporality.virt.recovery import service
from tests.unit.virt import base

# Seconds for what has to happen.
_PATIENCE = 30


class ServiceTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.flags(host='host', service_down_time=60)
        for name, value in (('_POLL', 0.01), ('_SETTLE', 0.0)):
            self.useFixture(fixtures.MockPatchObject(service, name, value))
        # Long ago, by the clock of a host that has just booted.
        self.record = objects.Service(
            forced_down=False, last_seen_up=datetime.datetime(
                2026, 1, 1, tzinfo=datetime.timezone.utc))
        self.read = self.useFixture(fixtures.MockPatchObject(
            objects.Service, 'get_by_compute_host',
            side_effect=lambda *_args: self.record)).mock
        self.now = 1000.0
        self.useFixture(fixtures.MockPatchObject(
            time, 'monotonic', side_effect=lambda: self.now))
        self.service = service.Service(self.virtapi())

    def virtapi(self):
        """Nova's, before it has begun with its service."""
        return mock.Mock(_compute=mock.Mock(service_ref=None))

    def report(self):
        self.record.last_seen_up += datetime.timedelta(seconds=10)

    def waits(self):
        """Whether wait_up() waits; begins a thread that goes on with it."""
        self.up = threading.Event()

        def wait():
            self.service.wait_up(self.context)
            self.up.set()

        threading.Thread(target=wait, daemon=True).start()
        return not self.up.wait(0.3)

    def check(self):
        try:
            self.service.check(self.context)
        except exception.NotOwner as exc:
            return exc.format_message()


class ServiceTest(ServiceTestCase):

    def test_report_of_an_earlier_run_does_not_count(self):
        """It may run out at any moment, and servers be evacuated."""
        self.service.note_last_report()
        self.assertIn('counts as down', self.check())
        self.assertTrue(self.waits())
        self.report()
        self.assertTrue(self.up.wait(_PATIENCE))
        self.assertIsNone(self.check())

    def test_service_that_does_not_report_any_more(self):
        self.service.note_last_report()
        self.report()
        self.assertFalse(self.waits())
        self.now += 59
        self.assertIn('counts as down', self.check())
        self.assertTrue(self.waits())
        self.report()
        self.assertTrue(self.up.wait(_PATIENCE))
        self.assertIsNone(self.check())

    def test_last_report_that_nobody_told(self):
        """The first one that is told may be that of an earlier run."""
        self.read.side_effect = OSError
        self.service.note_last_report()
        self.read.side_effect = lambda *_args: self.record
        self.assertTrue(self.waits())
        self.report()
        self.assertTrue(self.up.wait(_PATIENCE))

    def test_report_that_is_as_old_as_the_last_look(self):
        """Nobody knows when it was made: the service may be down since."""
        self.service.note_last_report()
        self.report()
        self.assertIsNone(self.check())
        self.now += 200
        self.report()
        self.assertIn('counts as down', self.check())
        self.report()
        self.assertIsNone(self.check())

    def test_next_report_is_waited_for(self):
        """QEMU may take longer to load its state."""
        self.service.note_last_report()
        self.report()
        self.assertIsNone(self.check())
        self.now += 200
        self.report()
        looks = []

        def read(*_args):
            looks.append(True)
            if len(looks) == 5:
                self.report()
            return self.record

        self.read.side_effect = read
        self.assertIsNone(self.check())
        self.assertEqual(5, len(looks))

    def test_answer_that_takes_long(self):
        """What it says is as old as the question."""
        self.service.note_last_report()

        def read(*_args):
            if self.now < 1050:
                self.now += 50
                self.report()
            return self.record

        self.read.side_effect = read
        self.assertIn('counts as down', self.check())

    def test_answers_in_another_order(self):
        """An old report must not look like a new one, nor the next one."""
        self.service.note_last_report()
        old = self.record.obj_clone()

        def overtaken(*_args):
            self.read.side_effect = lambda *_args: self.record
            self.report()
            self.service.check(self.context)
            self.now += 59
            return old

        self.read.side_effect = overtaken
        self.assertIn('counts as down', self.check())

    def test_forced_down(self):
        self.record.forced_down = True
        self.assertFalse(self.waits())
        self.assertIn('forced down', self.check())
        self.report()
        self.assertIn('forced down', self.check())

    def test_other_servicegroup_driver(self):
        self.flags(servicegroup_driver='mc')
        self.useFixture(fixtures.MockPatchObject(
            self.service._api, 'get_updated_time',
            side_effect=lambda _service: self.updated))
        self.updated = 1
        self.service.note_last_report()
        self.report()
        self.assertIn('counts as down', self.check())
        self.updated = 2
        self.assertIsNone(self.check())


class EarlyReportTest(ServiceTestCase):
    """Nova's first report comes seconds after its service listens."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(service, '_ANSWER', 0.1))
        self.reports = 0
        self.saved_record = self.useFixture(fixtures.MockPatchObject(
            objects.Service, 'save', side_effect=self.save)).mock

    def virtapi(self):
        self.compute = mock.Mock(
            service_ref=objects.Service(report_count=7))
        return mock.Mock(_compute=self.compute)

    def save(self):
        """What nova-conductor and the database make of it."""
        if self.compute.service_ref.report_count > 7 + self.reports:
            self.reports += 1
            self.report()

    def listen(self):
        server = rpc.get_server(
            oslo_messaging.Target(topic='compute', server='host'),
            [baserpc.BaseRPCAPI('compute', None)])
        server.start()
        self.addCleanup(server.stop)

    def test_as_soon_as_it_listens(self):
        self.service.note_last_report()
        self.assertTrue(self.waits())
        self.assertFalse(self.saved_record.called)
        self.listen()
        self.assertTrue(self.up.wait(_PATIENCE))
        self.assertEqual(1, self.reports)
        self.assertIsNone(self.check())

    def test_not_again_while_it_reports_itself(self):
        self.listen()
        self.service.note_last_report()
        self.report()
        self.assertFalse(self.waits())
        self.assertEqual(0, self.reports)

    def test_report_that_is_not_taken(self):
        self.saved_record.side_effect = oslo_messaging.MessagingTimeout()
        self.listen()
        self.service.note_last_report()
        self.assertTrue(self.waits())
        self.assertIn('counts as down', self.check())
        self.saved_record.side_effect = self.save
        self.assertTrue(self.up.wait(_PATIENCE))
        self.assertEqual(1, self.reports)

    def test_it_has_to_be_seen(self):
        """That it was made proves nothing."""
        self.saved_record.side_effect = None
        self.listen()
        self.service.note_last_report()
        self.assertTrue(self.waits())
        self.assertEqual(1, self.saved_record.call_count)
        self.assertIn('counts as down', self.check())
        self.report()
        self.assertTrue(self.up.wait(_PATIENCE))

    def test_other_servicegroup_driver_reports_for_itself(self):
        self.listen()
        self.flags(servicegroup_driver='mc')
        self.useFixture(fixtures.MockPatchObject(
            self.service._api, 'get_updated_time', return_value=1))
        self.service.note_last_report()
        self.assertTrue(self.waits())
        self.assertFalse(self.saved_record.called)
        self.service._api.get_updated_time.return_value = 2
        self.assertTrue(self.up.wait(_PATIENCE))
