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
import time

import pytest

from nova_temporality.notifier import background
from nova_temporality.notifier import power
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
            report(self.news.get())

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

    def fixate(self, event, settled):
        self.acknowledged_ns = time.monotonic_ns()
        settled()
        self.fixations.put(event)


def test_all_sources_are_acknowledged_whatever_one_of_them_raises():
    named = {'a': Source(OSError('no more')), 'b': Source()}
    notifier = Notifier()
    watch.Watch(named, notifier, pod_sources.make_conf()).start()
    for _ in range(2):
        named['b'].news.put(power.News.now(power.COMMIT, 'now'))
        event = notifier.fixations.get(timeout=20)
        assert event.raised_by == ('b',)
        for source in named.values():
            assert source.acknowledged.get(timeout=20)
    assert named['a'].acknowledged.empty()


@pytest.mark.parametrize('confidence, direct', [(100, True), (60, False)])
def test_source_fires_directly_if_its_commit_is_sufficient(confidence, direct):
    conf = pod_sources.make_conf(pod_sources=['signal', 'sigpwr'],
                                 pod_confidence={'signal': confidence})
    loaded = sources.load(conf)
    waited = []

    class SignalNotifier:
        background = background.Background(None)

        def outage_raised_by(self):
            return ()

        def wait_signal(self, number, raised_by):
            waited.append((number, raised_by))
            return 1, 2, 3

    watch.Watch(loaded, SignalNotifier(), conf)
    assert (loaded['signal'].trigger is not None) == direct
    if direct:
        received = []

        def report(news):
            received.append(news)
            raise pod_sources.Stop()

        with pytest.raises(pod_sources.Stop):
            loaded['signal'].run(report)
        assert received == [power.News(
            power.COMMIT, 'signal 44 from process 3', 1, 2)]
        assert waited == [(44, 'signal')]
