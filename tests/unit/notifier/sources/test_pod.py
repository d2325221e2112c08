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

"""/dev/pod as a source; its ioctls are a stand-in's."""

import os
import threading
import time

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.sources import pod
from nova_temporality.notifier.sources import pod_device
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads


class Listening:
    """A source that is run, and its news."""

    def __init__(self, source, monkeypatch):
        self.source = source
        self.news = []
        self._stop = False
        monkeypatch.setattr(pod.time, 'sleep', self._on_sleep)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.source.run(self.news.append)
        except pod_sources.Stop:
            pass

    def _on_sleep(self, seconds):
        """Stands for time.sleep()."""
        if self._stop:
            raise pod_sources.Stop()
        threading.Event().wait(0.01)

    def receive(self, count):
        deadline = time.monotonic() + 20
        while len(self.news) < count and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert len(self.news) == count
        return [news.level for news in self.news]

    def end(self, driver):
        self._stop = True
        os.write(driver._fd, b'end')
        self._thread.join(20)
        assert not self._thread.is_alive()


class TestSource:

    @pytest.fixture
    def listen(self, driver, monkeypatch):
        listening = []

        def listen(**values):
            listening.append(Listening(pod.PodSource(
                pod_sources.make_conf(**values)), monkeypatch))
            return listening[-1]
        yield listen
        for one in listening:
            one.end(driver)

    def test_levels(self, driver, listen):
        one = listen()
        told = [driver.tell(level) for level in (
            pod_device.GOOD, pod_device.WARN, pod_device.COMMIT,
            pod_device.LOST)]
        assert one.receive(4) == [power.GOOD, power.WARN, power.COMMIT,
                                  power.LOST]
        assert [(news.monotonic_ns, news.wall_ns, news.momentary)
                for news in one.news] == [
            (event.monotonic_ns, event.realtime_ns, False) for event in told]

    def test_what_was_so_before_is_so_from_now(self, driver, listen):
        before_ns = time.monotonic_ns()
        one = listen()
        driver.tell(pod_device.COMMIT, flags=pod_device.EVENT_STATE,
                    monotonic_ns=5, realtime_ns=6)
        one.receive(1)
        assert one.news[0].monotonic_ns > before_ns
        assert one.news[0].wall_ns > 10**18

    def test_nmi_is_an_instant(self, driver, listen):
        one = listen()
        driver.tell(pod_device.COMMIT, pod_device.ORIGIN_NMI)
        assert one.receive(1) == [power.COMMIT]
        assert one.news[0].momentary

    @pytest.mark.parametrize('names, number', [
        (['pod'], 0), (['pod', 'signal'], 44)])
    def test_registration(self, driver, listen, names, number):
        one = listen(pod_sources=names)
        driver.tell(pod_device.GOOD)
        one.receive(1)
        assert driver.told() == [('register', 1, number)]

    def test_acknowledgement_of_the_latest_failure(self, driver, listen):
        one = listen()
        one.source.acknowledge()
        driver.tell(pod_device.COMMIT)
        driver.tell(pod_device.GOOD)
        failure = driver.tell(pod_device.COMMIT)
        driver.tell(pod_device.GOOD)
        one.receive(4)
        for _ in range(2):
            one.source.acknowledge()
        assert driver.told()[1:] == [('acknowledge', failure.sequence)]

    def test_driver_comes_later(self, driver, listen):
        os.unlink(driver.path)
        one = listen()
        assert one.receive(1) == [power.LOST]
        assert 'modprobe pod' in one.news[0].detail
        os.mkfifo(driver.path)
        driver.close()
        driver._fd = os.open(driver.path, os.O_RDWR)
        driver.tell(pod_device.GOOD)
        # Told once, not with every attempt.
        assert one.receive(2) == [power.LOST, power.GOOD]

    def test_driver_that_watches_nothing(self, driver, listen):
        driver.info = driver.info._replace(inputs=0)
        one = listen()
        assert one.receive(1) == [power.LOST]
        assert 'gpio_line' in one.news[0].detail

    def test_garbage(self, driver, listen):
        one = listen()
        driver.tell(9)
        assert one.receive(1) == [power.LOST]
        assert 'level 9' in one.news[0].detail
        driver.tell(pod_device.GOOD)
        one.receive(2)
