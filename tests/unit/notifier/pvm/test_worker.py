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

"""One job after the other, and an idle job in between."""

import threading
import time

import pytest

from nova_temporality.notifier.pvm import worker

pytestmark = pytest.mark.native_threads


@pytest.fixture
def make():
    """Make a Worker; its idle and end jobs set Events."""
    workers = []

    def make(interval):
        idle, ended = threading.Event(), threading.Event()
        workers.append(worker.Worker('test', idle.set, lambda: interval,
                                     ended.set))
        return workers[-1], idle, ended
    yield make
    for one in workers:
        one.close()


def test_jobs_are_done_in_order(make):
    jobs, _idle, _ended = make(60)
    done = []
    futures = [jobs.submit(done.append, index) for index in range(9)]
    for future in futures:
        future.result(60)
    assert done == list(range(9))


def test_error_of_a_job_is_its_own(make):
    jobs, _idle, _ended = make(60)
    failed = jobs.submit(int, 'x')
    assert jobs.submit(int, '7').result(60) == 7
    with pytest.raises(ValueError):
        failed.result(60)


def test_idle_job_is_done_when_there_is_no_other(make):
    _jobs, idle, _ended = make(0.01)
    assert idle.wait(60)


def test_job_that_hangs(make, monkeypatch):
    """It is no job that shows signs of life, and none that has ended."""
    jobs, _idle, _ended = make(60)
    begun, go_on = threading.Event(), threading.Event()
    now = time.monotonic

    def hang():
        begun.set()
        go_on.wait(60)

    future = jobs.submit(hang)
    assert begun.wait(60)
    assert not jobs.hangs
    monkeypatch.setattr(time, 'monotonic', lambda: now() + 1000)
    assert jobs.hangs
    jobs.beat()
    assert not jobs.hangs
    monkeypatch.setattr(time, 'monotonic', lambda: now() + 2000)
    assert jobs.hangs
    go_on.set()
    future.result(60)
    deadline = now() + 60
    while jobs.hangs:
        assert now() < deadline


def test_close_ends_after_the_last_job(make):
    jobs, _idle, ended = make(60)
    go_on = threading.Event()
    last = jobs.submit(go_on.wait, 60)
    jobs.close()
    assert not ended.is_set()
    go_on.set()
    assert last.result(60)
    assert ended.wait(60)
