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

"""pVMs are fixated in waves, in descending order of priority."""

import threading
import time

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import waves

pytestmark = pytest.mark.native_threads

FOR_EVER_NS = 3600 * 10**9


class FakePvm:

    def __init__(self, name, priority):
        self.name = name
        self.priority = priority


@pytest.fixture
def begin():
    """Begin with pVMs of some priorities; returns {name: (attempt, wave)}."""
    def begin(hold_up_ns, **priorities):
        event = power.PowerEvent.now('test')
        seen = []

        def begin_one(pvm, wave):
            attempt = attempts.Attempt(pvm.name, event,
                                       event.monotonic_ns + FOR_EVER_NS)
            seen.append((attempt, wave))
            return attempt

        begun = waves.begin(
            {name: FakePvm(name, priority)
             for name, priority in priorities.items()},
            event.monotonic_ns, hold_up_ns, begin_one)
        assert begun == [attempt for attempt, _wave in seen]
        return {attempt.name: (attempt, wave) for attempt, wave in seen}
    return begin


def begins(wave):
    """An Event that is set when a wave may begin."""
    begun = threading.Event()

    def wait():
        wave.wait()
        begun.set()
    threading.Thread(target=wait, daemon=True).start()
    return begun


def test_equals_do_not_wait(begin):
    for _attempt, wave in begin(FOR_EVER_NS, a=50, b=50, c=50).values():
        wave.wait()


def test_next_wave_begins_when_all_before_have_ended(begin):
    seen = begin(FOR_EVER_NS, first=90, alike=90, second=50, third=10)
    seen['first'][1].wait()
    second, third = begins(seen['second'][1]), begins(seen['third'][1])
    seen['first'][0].settle(attempts.FIXATED)
    assert not second.wait(0.05)
    seen['alike'][0].settle(attempts.FAILED)
    assert second.wait(60)
    assert not third.wait(0.05)
    seen['second'][0].settle(attempts.SKIPPED)
    assert third.wait(60)


def test_no_wave_waits_longer_than_its_share(begin):
    began_ns = time.monotonic_ns()
    seen = begin(300 * 10**6, hangs=90, second=50, third=10)
    seen['hangs'][1].wait()
    seen['third'][1].wait()
    # Neither at once nor never: two thirds of the hold-up time.
    assert time.monotonic_ns() - began_ns >= 200 * 10**6
    seen['second'][1].wait()


def test_no_pvms(begin):
    assert begin(FOR_EVER_NS) == {}
