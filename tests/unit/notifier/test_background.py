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

"""Background work waits as long as there is a reason, and no longer."""

import os
import threading

import pytest

from nova_temporality.notifier import background
from nova_temporality import vpm

pytestmark = pytest.mark.native_threads


class FakePool:
    """Notes what is asked of it."""

    def __init__(self):
        self.pauses = []
        self.finished = threading.Event()
        self.scrubs = 0
        self.error = None

    def pause(self, for_ns):
        if self.error:
            raise self.error
        self.pauses.append(for_ns)

    def finish_freed(self):
        self.scrubs += 1
        self.finished.set()


@pytest.fixture
def pool():
    return FakePool()


@pytest.fixture
def reasons():
    return [None, None]


@pytest.fixture
def work(pool, reasons):
    made = background.Background(pool)
    for number in range(2):
        made.pause_while(lambda number=number: reasons[number])
    return made


def test_is_renewed_as_long_as_there_is_a_reason(work, pool, reasons):
    reasons[:] = ['power may fail', 'an outage is on']
    work.step()
    assert work.paused == 'power may fail'
    reasons[0] = None
    for _ in range(2):
        work.step()
    assert work.paused == 'an outage is on'
    assert len(pool.pauses) == 3
    # The next look comes in time, and what is too long libvpm refuses.
    for for_ns in pool.pauses:
        assert 10**9 < for_ns <= vpm.PAUSE_MAX_NS
    assert not pool.finished.is_set()


def test_what_was_freed_is_scrubbed_when_it_is_over(work, pool, reasons):
    reasons[0] = 'power may fail'
    work.step()
    reasons[0] = None
    work.step()
    assert work.paused is None
    assert pool.pauses[1:] == [0]
    assert pool.finished.wait(60)
    # Once.
    work.step()
    assert pool.pauses[1:] == [0]


def test_what_an_earlier_notifier_left_is_ended(work, pool):
    work.step()
    assert pool.pauses == [0]
    assert pool.finished.wait(60)


def test_a_pool_that_cannot_be_written_is_tried_again(work, pool, reasons):
    reasons[0] = 'power may fail'
    pool.error = vpm.SystemCallFailed('cannot write pause')
    work.start()
    assert work.paused is None
    pool.error = None
    while not pool.pauses:
        work.look()
    assert pool.pauses[0] > 0


def end_of_scrub(work):
    # A thread that ends is not enumerated any more, but still alive.
    work._scrubbing.join(60)


def test_scrubbing_goes_on_now_and_then(work, pool):
    """Whoever freed something may have been killed before it was scrubbed."""
    for _ in range(130):
        work.step()
        end_of_scrub(work)
    assert pool.scrubs == 3


def test_nothing_is_scrubbed_twice_at_once(work, pool):
    going_on = threading.Event()

    def take_long():
        pool.scrubs += 1
        assert going_on.wait(60)
    pool.finish_freed = take_long
    for _ in range(200):
        work.step()
    assert pool.scrubs == 1
    going_on.set()
    end_of_scrub(work)


def test_scrubbing_that_fails_is_told_once(work, pool, caplog):
    def fail():
        pool.scrubs += 1
        raise vpm.SystemCallFailed('no swap directory')
    pool.finish_freed = fail
    while pool.scrubs < 3:
        work.step()
        end_of_scrub(work)
    assert caplog.text.count('no swap directory') == 1


def test_real_pool(tmp_path, reasons):
    with vpm.Pool.create(tmp_path / 'pool', total_size=1 << 20,
                         state_size=64 << 10, uid_base=0) as pool:
        work = background.Background(pool)
        work.pause_while(lambda: reasons[0])
        reasons[0] = 'power may fail'
        work.step()
        region = pool.alloc('a', 4096)
        pool.free('a')
        assert pool.is_paused() and os.path.exists(region.ram_path)
        reasons[0] = None
        work.step()
        end_of_scrub(work)
        assert not os.path.exists(region.ram_path)
