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

"""Which devices the engine is told to watch, and when it fires by itself."""

import pytest

from nova_temporality.notifier import background
from nova_temporality.notifier import daemon
from nova_temporality.notifier import pulse
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import device
from nova_temporality.notifier import watch
from nova_temporality.vpm import engine
from tests.framework import pod_sources

NO_POD = (engine.Watched(engine.POD_DEVICE, ''), engine.Rule())
NO_GPIO = (engine.Watched(engine.GPIO_DEVICE, ''), engine.Rule())

pytestmark = pytest.mark.native_threads


class Engine:

    def __init__(self):
        self.watched = []

    def watch(self, device, rule):
        self.watched.append((device, rule))


class Notifier:
    background = background.Background(None)
    watch_devices = daemon.Notifier.watch_devices
    _timeout_ns = 9

    def __init__(self):
        self._engine = Engine()

    def outage_raised_by(self):
        return ()

    def fire_on_signals(self, raised_by):
        pass

    def wait_signal(self, number):
        raise NotImplementedError


def watched(**values):
    conf = pod_sources.make_conf(pod_debounce_ms=3, **values)
    notifier = Notifier()
    loaded = sources.load(conf)
    watch.Watch(loaded, notifier, conf, pulse.Pulse())
    for source in loaded.values():
        if isinstance(source, device.DeviceSource):
            assert source.engine is notifier._engine
    return notifier._engine.watched


@pytest.mark.parametrize('confidence, raised_by', [(100, 'pod'), (60, None)])
def test_fires_if_it_is_sufficient_alone(confidence, raised_by):
    devices = watched(pod_sources=['pod', 'sigpwr'],
                      pod_confidence={'pod': confidence})
    assert devices == [(engine.Watched(engine.POD_DEVICE, '/dev/pod'),
                        engine.Rule(raised_by, 3000000, 9)), NO_GPIO]


def test_each_by_its_own_rule():
    devices = watched(
        pod_sources=['pod', 'gpio'], pod_confidence={'pod': 60},
        gpio_chip='/dev/gpiochip7', gpio_line=3, gpio_active_low=True)
    assert devices == [
        (engine.Watched(engine.POD_DEVICE, '/dev/pod'),
         engine.Rule(None, 3000000, 9)),
        (engine.Watched(engine.GPIO_DEVICE, '/dev/gpiochip7', gpio_line=3,
                        gpio_active_low=True),
         engine.Rule('gpio', 3000000, 9))]


def test_not_watched_if_it_is_no_source():
    assert watched(pod_sources=[]) == [NO_POD, NO_GPIO]
