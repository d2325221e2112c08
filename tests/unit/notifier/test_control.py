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

"""Who is served on the control socket, and who has to wait."""

import os
import threading
import types

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality.notifier import control
from nova_temporality.notifier import pulse

pytestmark = pytest.mark.native_threads


class Slow:
    """An operation that takes until the test says so."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.end = threading.Event()

    def __call__(self):
        self.begun.release()
        assert self.end.wait(60)
        return 'done'


@pytest.fixture
def slow():
    operation = Slow()
    yield operation
    operation.end.set()


@pytest.fixture
def run_dir(tmp_path, slow):
    control.ControlServer(
        paths.control_socket(str(tmp_path)),
        {'drill': slow, 'snapshot': slow, 'fixate': lambda: 'fixated'},
        pulse.Pulse(), {'drill': 2})
    return str(tmp_path)


def ask(run_dir, operation, answers):
    """Ask in a thread of its own."""
    def work():
        try:
            answers.append(client.call(run_dir, operation, 60))
        except client.NotifierError as e:
            answers.append(str(e))
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_what_takes_long_keeps_nobody_from_fixating(run_dir, slow):
    drills, snapshots = [], []
    threads = [ask(run_dir, 'drill', drills) for _ in range(2)]
    threads += [ask(run_dir, 'snapshot', snapshots) for _ in range(16)]
    for _ in range(18):
        assert slow.begun.acquire(timeout=60)
    for _ in range(20):
        assert client.call(run_dir, 'fixate', 60) == 'fixated'
    for operation in ('drill', 'snapshot'):
        with pytest.raises(client.NotifierError) as e:
            client.call(run_dir, operation, 60)
        assert 'wait for "%s" already' % operation in str(e.value)
    slow.end.set()
    for thread in threads:
        thread.join(60)
    assert drills == ['done'] * 2
    assert snapshots == ['done'] * 16
    # What was taken is given back.
    assert client.call(run_dir, 'drill', 60) == 'done'


def test_error_gives_the_place_back(tmp_path):
    def fail():
        raise ValueError('no')
    control.ControlServer(paths.control_socket(str(tmp_path)),
                          {'drill': fail}, pulse.Pulse(), {'drill': 1})
    for _ in range(40):
        with pytest.raises(client.NotifierError) as e:
            client.call(str(tmp_path), 'drill', 60)
        assert 'says: no' in str(e.value)
        with pytest.raises(client.NotifierError) as e:
            client.call(str(tmp_path), 'nonsense', 60)
        assert 'not a request' in str(e.value)


def test_only_its_user_may_connect(run_dir):
    assert os.stat(paths.control_socket(run_dir)).st_mode & 0o777 == 0o600


def test_it_shows_that_it_works(tmp_path):
    beats = threading.Semaphore(0)
    told = types.SimpleNamespace(beat=lambda name: beats.release())
    control.ControlServer(paths.control_socket(str(tmp_path)), {}, told)
    for _ in range(4):
        assert beats.acquire(timeout=60)
