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

"""An attempt is settled once."""

import threading
import time

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.vpm import outcomes

pytestmark = pytest.mark.native_threads


def attempt(seconds=60):
    return attempts.Attempt('pvm', power.PowerEvent.now('test'),
                            time.monotonic_ns() + int(seconds * 1e9))


class TestAttempt:

    def test_first_outcome_counts(self):
        one = attempt()
        one.settle(attempts.FIXATED, runstate='running')
        one.settle(attempts.FAILED)
        assert one.wait_report().result == attempts.FIXATED
        assert one.wait_report().runstate == 'running'

    def test_given_up_at_deadline(self):
        one = attempt(0)
        assert one.wait_report().result == attempts.FAILED
        one.settle(attempts.FIXATED)
        assert one.wait_report().result == attempts.FAILED

    def test_settled_as_the_engine_says(self):
        one = attempt()
        start = one.event.monotonic_ns
        one.settle_as(outcomes.Outcome(
            'pvm', outcomes.FIXATED, runstate='running',
            stopped_ns=start + 1500000, saved_ns=start + 2000000,
            fixated_ns=start + 2500000))
        assert one.wait_report() == attempts.PvmReport(
            'pvm', attempts.FIXATED, runstate='running', stopped_ms=1.5,
            saved_ms=2.0, fixated_ms=2.5)

    def test_what_did_not_happen_has_no_time(self):
        one = attempt()
        one.settle_as(outcomes.Outcome('pvm', outcomes.FAILED, reason='why'))
        assert one.wait_report() == attempts.PvmReport(
            'pvm', attempts.FAILED, reason='why')

    def test_outcome_waits_for_worker(self):
        one = attempt()
        threading.Timer(0.05, one.settle, [attempts.FIXATED]).start()
        assert one.wait_report().result == attempts.FIXATED
