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

"""Watches the power supply through all sources, and acts on their news."""

from collections import abc
import logging as levels
import queue
import threading
import time
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_temporality.notifier import arbiter
from nova_temporality.notifier import daemon
from nova_temporality.notifier import drill
from nova_temporality.notifier import power
from nova_temporality.notifier import pulse as pulse_module
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import device
from nova_temporality.notifier.sources import state

LOG = logging.getLogger(__name__)

# Seconds until a source that failed is run again.
_RESTART_SECONDS = 5.0

# How loud what sources say is logged.
_LOG_LEVELS = {power.LOST: levels.ERROR, power.GOOD: levels.INFO,
               power.WARN: levels.WARNING, power.COMMIT: levels.WARNING}


class Watch:
    """Runs the sources, each in a thread, and a thread that decides.

    :param sources: Source by name
    :param notifier: that fixates and resumes
    :param conf: with group [temporality]
    :param pulse: that is told that the threads work
    """

    def __init__(self, sources: abc.Mapping[str, sources.Source],
                 notifier: daemon.Notifier, conf: cfg.ConfigOpts,
                 pulse: pulse_module.Pulse) -> None:
        opts = conf.temporality
        self._sources = sources
        self._notifier = notifier
        self._pulse = pulse
        self._arbiter = arbiter.Arbiter(
            {name: source.momentary for name, source in sources.items()},
            opts.pod_confidence, opts.pod_min_confidence,
            opts.pod_debounce_ms * 1000000, opts.grace_ms * 1000000,
            notifier.outage_raised_by())
        # By the signal that they are about.
        sufficient: dict[int, str] = {}
        for name, source in sources.items():
            if source.signal_number is None:
                continue
            source.trigger = notifier.wait_signal
            if source.momentary and self._arbiter.is_sufficient(name):
                sufficient[source.signal_number] = name
        notifier.fire_on_signals(sufficient)
        notifier.watch_devices({
            name: source for name, source in sources.items()
            if isinstance(source, device.DeviceSource)},
            self._arbiter.is_sufficient, opts.pod_debounce_ms * 1000000)
        self._news: queue.SimpleQueue[
            tuple[str, power.News]] = queue.SimpleQueue()
        self._states = {name: state.SourceState(name, source)
                        for name, source in sources.items()}
        self._drill_interval = opts.drill_interval
        notifier.status_of_sources = self.status
        notifier.background.pause_while(self._warning)

    def start(self) -> None:
        """Start all threads; they end with the process."""
        self._pulse.beat('watch')
        threading.Thread(target=self._decide, daemon=True,
                         name='watch').start()
        for name, source in self._sources.items():
            thread = threading.Thread(target=self._run, args=(name, source),
                                      daemon=True, name='source-' + name)
            thread.start()
            self._pulse.watch(thread)

        if self._drill_interval:
            threading.Thread(target=self._drill_for_ever, daemon=True,
                             name='drills').start()

    def status(self) -> list[state.SourceStatus]:
        """Return how the sources are."""
        return [known.status() for known in self._states.values()]

    def drill(self) -> drill.DrillReport:
        """Have the notifier drill, unless a source warns.

        :raises: drill.DrillRefused
        """
        self._refuse_if_alerted(drill.DrillRefused)
        return self._notifier.drill()

    def snapshot(self, name: str, directory: str,
                 disks: abc.Mapping[str, str],
                 at_most: int) -> dict[str, Any]:
        """Have the notifier copy a pVM, unless a source warns.

        See daemon.Notifier.snapshot().

        :raises: daemon.NotCopied
        """
        self._refuse_if_alerted(daemon.NotCopied)
        return self._notifier.snapshot(name, directory, disks, at_most)

    def _refuse_if_alerted(self, refused: type[Exception]) -> None:
        warning = self._warning()
        if warning:
            raise refused(warning +
                          '; wait until it says that power is good')

    def _warning(self) -> str | None:
        if self._arbiter.is_alerted:
            return 'a source says that power may fail'
        return None

    def _drill_for_ever(self) -> None:
        while True:
            time.sleep(self._drill_interval)
            try:
                self.drill()
            except drill.DrillRefused as e:
                LOG.warning('No drill: %s', e)
            except Exception:
                LOG.exception('A drill failed')

    def _run(self, name: str, source: sources.Source) -> None:
        known = self._states[name]

        def report(news: power.News) -> None:
            self._news.put((name, news))
            known.take(news)

        while True:
            known.began()
            problem = 'it ended by itself'
            try:
                source.run(report)
            except Exception as e:
                LOG.exception('The source %s of news about power failed',
                              name)
                problem = str(e) or type(e).__name__
            report(power.News.now(power.LOST, problem))
            time.sleep(_RESTART_SECONDS)

    def _decide(self) -> None:
        """Decide for ever: an error must not end the thread."""
        while True:
            self._pulse.beat('watch')
            try:
                self._step()
            except Exception:
                LOG.exception('Handling news about power failed')

    def _step(self) -> None:
        received = self._receive()
        decision, event = self._arbiter.decide(
            time.monotonic_ns(), self._notifier.outage_raised_by())
        if event is not None:
            try:
                self._notifier.fixate(event, self._acknowledge)
            finally:
                self._arbiter.fixation_ended(self._notifier.acknowledged_ns)
        elif decision == arbiter.CALL_OFF:
            LOG.warning('Power is back, and was for the grace period')
            self._notifier.power_returned()
        elif decision == arbiter.ALERT:
            self._notifier.alert()
        # Not before: nothing is logged ahead of a fixation.
        for name, news in received:
            LOG.log(_LOG_LEVELS.get(news.level, levels.ERROR),
                    'Power, as %s says: %s (%s)', name, news.level,
                    news.detail)

    def _acknowledge(self) -> None:
        for name, source in self._sources.items():
            try:
                source.acknowledge()
            except Exception as e:
                # The other sources still have to be acknowledged.
                LOG.error('The source %s does not take the acknowledgement: '
                          '%s', name, e)

    def _receive(self) -> list[tuple[str, power.News]]:
        """Wait for news or for the time to decide again; return the news."""
        now_ns = time.monotonic_ns()
        next_ns = self._arbiter.next_ns(now_ns)
        received = []
        try:
            latest = self._news.get(
                timeout=pulse_module.INTERVAL if next_ns is None else
                min(pulse_module.INTERVAL, (next_ns - now_ns) / 1e9 + 0.001))
            while True:
                received.append(latest)
                self._arbiter.add(*latest)
                # Later news must not replace a COMMIT before it is decided.
                if latest[1].level == power.COMMIT:
                    break
                latest = self._news.get_nowait()
        except queue.Empty:
            pass
        return received
