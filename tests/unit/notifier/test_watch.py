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

"""What becomes of news about power."""

import queue
import signal
import threading
import time

import pytest

from nova_temporality.notifier import background
from nova_temporality.notifier import power
from nova_temporality.notifier import pulse
from nova_temporality.notifier import sources
from nova_temporality.notifier import watch
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads


class Source(sources.Source):
    """Says what a test says."""

    def __init__(self, error=None):
        self.news = queue.SimpleQueue()
        self.acknowledged = queue.SimpleQueue()
        self._error = error

    def run(self, report):
        while True:
            news = self.news.get()
            if isinstance(news, Exception):
                raise news
            if news is None:
                return
            report(news)

    def acknowledge(self):
        self.acknowledged.put(True)
        if self._error:
            raise self._error


class Notifier:
    """Stands for daemon.Notifier."""

    acknowledged_ns = 0

    def __init__(self):
        self.background = background.Background(None)
        self.fixations = queue.SimpleQueue()

    @staticmethod
    def outage_raised_by():
        return ()

    def alert(self):
        pass

    def fire_on_signals(self, raised_by):
        assert not raised_by

    def watch_devices(self, sources, is_sufficient, debounce_ns):
        assert not sources

    def fixate(self, event, settled):
        self.acknowledged_ns = time.monotonic_ns()
        settled()
        self.fixations.put(event)


def test_all_sources_are_acknowledged_whatever_one_of_them_raises():
    named = {'a': Source(OSError('no more')), 'b': Source()}
    notifier = Notifier()
    watch.Watch(named, notifier, pod_sources.make_conf(),
                pulse.Pulse()).start()
    for _ in range(2):
        named['b'].news.put(power.News.now(power.COMMIT, 'now'))
        event = notifier.fixations.get(timeout=20)
        assert event.raised_by == ('b',)
        for source in named.values():
            assert source.acknowledged.get(timeout=20)
    assert named['a'].acknowledged.empty()


def wait_for(condition):
    """Wait for what happens in other threads."""
    give_up = threading.Event()
    for _ in range(2000):
        if condition():
            return
        give_up.wait(0.01)
    raise AssertionError('it did not happen')


class TestStatus:

    @pytest.fixture
    def watched(self, monkeypatch):
        monkeypatch.setattr(watch, '_RESTART_SECONDS', 3600)
        self.lasting, self.instant = Source(), Source()
        self.instant.momentary = True
        self.notifier = Notifier()
        watch.Watch({'lasting': self.lasting, 'instant': self.instant},
                    self.notifier, pod_sources.make_conf(),
                    pulse.Pulse()).start()

    def states(self):
        return [status['state']
                for status in self.notifier.status_of_sources()]

    def test_nothing_was_heard_yet(self, watched):
        for status in self.notifier.status_of_sources():
            assert status['state'] == 'listening'
            assert status['is_sound']
            assert status['heard'] is status['since'] is None

    @pytest.mark.parametrize('level', [power.GOOD, power.WARN, power.COMMIT])
    def test_last_word(self, watched, level):
        self.lasting.news.put(power.News(level, 'says so', 10**18, 1))
        self.lasting.news.put(power.News(level, 'again', 2 * 10**18, 2))
        wait_for(lambda: self.notifier.status_of_sources()[0]['detail'] ==
                 'again')
        status = self.notifier.status_of_sources()[0]
        assert status['state'] == level
        assert status['since'] == '2001-09-09T01:46:40+00:00'
        assert status['heard'] > '2026'
        assert status['is_sound']

    @pytest.mark.parametrize('end', [OSError('no chip'), None])
    def test_source_that_ends_is_lost(self, watched, end):
        self.lasting.news.put(end)
        self.instant.news.put(end)
        wait_for(lambda: self.states() == ['lost', 'lost'])
        for status in self.notifier.status_of_sources():
            assert not status['is_sound']
            assert status['detail'] == (str(end) if end else
                                        'it ended by itself')
            assert status['heard'] is None

    def test_momentary_source_listens_again(self, monkeypatch):
        monkeypatch.setattr(watch, '_RESTART_SECONDS', 0)
        source, notifier = Source(), Notifier()
        source.momentary = True
        watch.Watch({'instant': source}, notifier,
                    pod_sources.make_conf(), pulse.Pulse()).start()
        source.news.put(OSError('once'))
        wait_for(lambda: source.news.empty() and notifier.status_of_sources()
                 [0]['state'] == 'listening')

    def test_sign_of_life_after_it_was_lost(self, watched):
        self.lasting.news.put(power.News.now(power.LOST, 'away'))
        wait_for(lambda: self.states()[0] == 'lost')
        self.lasting.heard()
        assert self.states()[0] == 'listening'

    def test_problem(self, watched):
        self.lasting.problem = 'nut_password'
        self.instant.remark = 'not signed'
        lasting, instant = self.notifier.status_of_sources()
        assert (lasting['problem'], lasting['is_sound']) == (
            'nut_password', False)
        assert (instant['remark'], instant['is_sound']) == (
            'not signed', True)

    @pytest.mark.parametrize('level, loud', [
        (power.LOST, 'ERROR'), (power.GOOD, 'INFO'),
        (power.WARN, 'WARNING')])
    def test_what_is_bad_is_logged_loudly(self, watched, caplog, level, loud):
        caplog.set_level('INFO')
        self.lasting.news.put(power.News.now(level, 'says so'))
        wait_for(lambda: 'says so' in caplog.text)
        record, = (record for record in caplog.records
                   if 'says so' in record.getMessage())
        assert record.levelname == loud


@pytest.mark.parametrize('confidence, direct', [(100, True), (60, False)])
def test_source_fires_directly_if_its_commit_is_sufficient(confidence, direct):
    conf = pod_sources.make_conf(pod_sources=['signal', 'sigpwr'],
                                 pod_confidence={'signal': confidence})
    loaded = sources.load(conf)
    fired = {}

    class SignalNotifier:
        background = background.Background(None)
        fire_on_signals = fired.update

        def watch_devices(self, sources, is_sufficient, debounce_ns):
            assert not sources

        def outage_raised_by(self):
            return ()

        def wait_signal(self, number):
            return 1, 2, 3

    watch.Watch(loaded, SignalNotifier(), conf, pulse.Pulse())
    assert fired == ({44: 'signal'} if direct else {}) | {
        signal.SIGPWR: 'sigpwr'}
    received = []

    def report(news):
        received.append(news)
        raise pod_sources.Stop()

    with pytest.raises(pod_sources.Stop):
        loaded['signal'].run(report)
    assert received == [power.News(
        power.COMMIT, 'signal 44 from process 3', 1, 2)]


def test_thread_that_decides_shows_that_it_works():
    """Also while nothing happens; not while it hangs."""
    beats = Beats()
    notifier = Notifier()
    hang, begun = threading.Event(), threading.Event()

    def fixate(event, settled):
        begun.set()
        hang.wait(60)
    notifier.fixate = fixate
    source = Source()
    watch.Watch({'a': source}, notifier, pod_sources.make_conf(),
                beats).start()
    for _ in range(3):
        beats.wait()
    source.news.put(power.News.now(power.COMMIT, 'now'))
    assert begun.wait(60)
    count = beats.count
    assert not hang.wait(2 * pulse.INTERVAL)
    assert beats.count == count
    hang.set()
    beats.wait()


class Beats(pulse.Pulse):
    """Counts the signs of life of the thread that decides."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self._beaten = threading.Condition()

    def beat(self, name):
        assert name == 'watch'
        with self._beaten:
            self.count += 1
            self._beaten.notify_all()

    def wait(self):
        with self._beaten:
            before = self.count
            assert self._beaten.wait_for(lambda: self.count > before, 60)
