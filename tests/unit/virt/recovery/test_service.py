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

import fixtures
from nova import objects

from nova_temporality import exception
from nova_temporality.virt.recovery import service
from tests.unit.virt import base

# Seconds for what has to happen.
_PATIENCE = 30


class ServiceTest(base.DriverTestCase):

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
        self.service = service.Service()

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
