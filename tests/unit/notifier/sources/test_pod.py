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

"""/dev/pod as a source; the engine that watches it is played."""

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.sources import pod
from nova_temporality.vpm import engine
from nova_temporality.vpm import errors
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads


class Engine:
    """Says words; None: nothing for a while."""

    def __init__(self, *words):
        self.words = list(words)
        self.away = []
        self.acknowledged = 0

    def wait_word(self, number, timeout):
        assert (number, timeout > 0) == (engine.POD_DEVICE, True)
        if not self.words:
            raise pod_sources.Stop()
        return self.words.pop(0)

    def heard_ns(self, number):
        if self.away and self.away.pop(0):
            raise errors.EngineAway('it is away', True)
        return 77

    def acknowledge(self):
        self.acknowledged += 1


def listen(source, said):
    """Return the news."""
    news = []
    source.engine = said
    with pytest.raises(pod_sources.Stop):
        source.run(news.append)
    return news


def make(**values):
    return pod.PodSource(pod_sources.make_conf(**values))


def test_words():
    source = make()
    words = [engine.Word(level, 5, 6, level == engine.COMMIT, 'why')
             for level in (engine.GOOD, engine.WARN, engine.COMMIT,
                           engine.LOST)]
    assert listen(source, Engine(*words)) == [
        power.News(power.GOOD, 'why', 5, 6),
        power.News(power.WARN, 'why', 5, 6),
        power.News(power.COMMIT, 'why', 5, 6, momentary=True),
        power.News(power.LOST, 'why', 5, 6)]


def test_heard_without_words():
    source = make()
    assert listen(source, Engine(None)) == []
    assert source.heard_ns == 77


def test_engine_is_away(monkeypatch):
    """It is told once."""
    monkeypatch.setattr(pod.device.time, 'sleep', lambda seconds: None)
    said = Engine(None, None, None, None)
    said.away = [True, True, False, True]
    news = listen(make(), said)
    assert [(one.level, one.detail) for one in news] == [
        (power.LOST, 'it is away')] * 2


@pytest.mark.parametrize('names, number', [
    (['pod'], 0), (['pod', 'signal'], 44)])
def test_signal_is_wanted_if_it_is_a_source(names, number):
    assert make(pod_sources=names).watched == engine.Watched(
        engine.POD_DEVICE, '/dev/pod', number)


def test_acknowledgement():
    source = make()
    source.engine = Engine()
    source.acknowledge()
    assert source.engine.acknowledged == 1
