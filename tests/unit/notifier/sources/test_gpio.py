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

"""A line of a GPIO chip, which a stand-in stands for."""

import gpiod
from gpiod import line
import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.sources import gpio
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads

RISING = gpiod.EdgeEvent.Type.RISING_EDGE
FALLING = gpiod.EdgeEvent.Type.FALLING_EDGE


class Line:
    """Stands for a requested line: there is no such hardware here."""

    def __init__(self, *script):
        self.script = list(script)
        self.value = line.Value.ACTIVE

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def get_value(self, offset):
        assert offset == 3
        return self.value

    def wait_edge_events(self, timeout):
        assert timeout.total_seconds() > 0
        if not self.script:
            raise pod_sources.Stop()
        return bool(self.script[0]) or self.script.pop(0)

    def read_edge_events(self):
        events = self.script.pop(0)
        for event in events:
            self.value = (line.Value.ACTIVE if event.event_type is RISING
                          else line.Value.INACTIVE)
        return events


def edge(kind, monotonic_ns):
    return gpiod.EdgeEvent(kind, monotonic_ns, 3, 1, 1)


class TestGpio:

    @pytest.fixture
    def levels(self, monkeypatch):
        def run(request, **values):
            requests = []

            def request_lines(chip, config, consumer):
                requests.append((chip, config))
                return request
            monkeypatch.setattr(gpiod, 'request_lines', request_lines)
            source = gpio.GpioSource(pod_sources.make_conf(
                gpio_chip='/dev/gpiochip7', gpio_line=3, **values))
            self.received = []
            with pytest.raises(pod_sources.Stop):
                source.run(self.received.append)
            (self.chip, config), = requests
            self.settings, = config.values()
            return [news.level for news in self.received]
        return run

    def test_edges(self, levels):
        assert levels(Line([edge(FALLING, 5)], [edge(RISING, 7)])) == [
            power.GOOD, power.COMMIT, power.GOOD]
        assert [news.monotonic_ns for news in self.received[1:]] == [5, 7]

    def test_short_failure_is_told(self, levels):
        assert levels(Line([edge(FALLING, 5), edge(RISING, 6)])) == [
            power.GOOD, power.COMMIT, power.GOOD]

    def test_inactive_from_the_start(self, levels):
        request = Line()
        request.value = line.Value.INACTIVE
        assert levels(request) == [power.COMMIT]

    def test_edge_that_got_lost(self, levels):
        request = Line([], [])
        read = request.wait_edge_events

        def lose(timeout):
            request.value = line.Value.INACTIVE
            return read(timeout)
        request.wait_edge_events = lose
        assert levels(request) == [power.GOOD, power.COMMIT]

    @pytest.mark.parametrize('active_low', [False, True])
    def test_request(self, levels, active_low):
        levels(Line(), gpio_active_low=active_low)
        assert self.chip == '/dev/gpiochip7'
        assert self.settings.active_low is active_low
        assert self.settings.edge_detection is line.Edge.BOTH
        # As PowerEvent counts.
        assert self.settings.event_clock is line.Clock.MONOTONIC

    def test_missing_chip(self):
        source = gpio.GpioSource(pod_sources.make_conf(
            gpio_chip='/dev/gpiochip-none', gpio_line=3))
        with pytest.raises(OSError):
            source.run(None)
