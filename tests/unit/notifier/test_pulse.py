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

"""The watchdog is fed only while all threads that matter work."""

import threading
import types

import pytest

from nova_temporality.cmd import notifier as command
from nova_temporality.notifier import pulse

pytestmark = pytest.mark.native_threads


@pytest.fixture
def clock(monkeypatch):
    """Let time pass."""
    now = [1000.0]
    monkeypatch.setattr(pulse.time, 'monotonic', lambda: now[0])

    def wait(seconds):
        now[0] += seconds
    return wait


@pytest.fixture
def beats(clock):
    return pulse.Pulse()


def test_nobody_is_watched_yet(beats):
    assert beats.problem() is None


def test_thread_that_hangs(beats, clock):
    beats.beat('watch')
    beats.beat('control')
    clock(15)
    assert beats.problem() is None
    beats.beat('control')
    clock(15)
    assert 'the thread watch' in beats.problem()
    assert 'control' not in beats.problem()
    beats.beat('watch')
    assert beats.problem() is None


def test_thread_that_has_ended(beats):
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name='source-nut')
    thread.start()
    beats.watch(thread)
    assert beats.problem() is None
    end.set()
    thread.join()
    assert 'source-nut' in beats.problem()


class Notifier:
    """Stands for daemon.Notifier."""

    trouble = None

    def scan(self):
        pass

    def describe(self):
        return 'fine'

    def problem(self):
        return self.trouble


class Stop:
    """Stands for the event that ends the loop, after some rounds."""

    def __init__(self, rounds):
        self.left = rounds

    def wait(self, _timeout):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize('hangs, trouble, fed', [
    (False, None, 3), (True, None, 0), (False, 'a thread has ended', 0)])
def test_watchdog(beats, clock, monkeypatch, caplog, hangs, trouble, fed):
    told = []
    monkeypatch.setattr(command.systemd, 'notify', told.append)
    monkeypatch.setattr(command.systemd, 'watchdog_interval', lambda: 1.0)
    conf = types.SimpleNamespace(
        temporality=types.SimpleNamespace(scan_interval_ms=1000))
    beats.beat('watch')
    if hangs:
        clock(60)
    notifier = Notifier()
    notifier.trouble = trouble
    command._loop(conf, notifier, beats, Stop(3))
    assert told.count('WATCHDOG=1') == fed
    errors = [record for record in caplog.records
              if 'does not work' in record.getMessage()]
    assert len(errors) == (0 if fed else 1)
