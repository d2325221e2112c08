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

"""Watches the power supply, through all sources, and acts upon their news."""

import functools
import queue
import threading
import time

from oslo_log import log as logging

from nova_temporality.notifier import arbiter
from nova_temporality.notifier import daemon
from nova_temporality.notifier import power

LOG = logging.getLogger(__name__)

# Seconds until a source that failed is run again.
_RESTART_SECONDS = 5.0


class Watch:
    """Runs the sources, each in a thread, and a thread that decides.

    :param sources: dict of sources.Source by name
    :param notifier: daemon.Notifier
    :param conf: with group [temporality]
    """

    def __init__(self, sources, notifier, conf):
        opts = conf.temporality
        self._sources = sources
        self._notifier = notifier
        self._arbiter = arbiter.Arbiter(
            {name: source.momentary for name, source in sources.items()},
            opts.pod_confidence, opts.pod_min_confidence,
            opts.pod_debounce_ms * 1000000, opts.grace_ms * 1000000,
            notifier.outage_raised_by())
        for name, source in sources.items():
            if self._arbiter.is_sufficient(name):
                source.trigger = functools.partial(notifier.wait_signal,
                                                   raised_by=name)
        self._news = queue.SimpleQueue()
        self._drill_interval = opts.drill_interval
        notifier.background.pause_while(self._warning)

    def start(self):
        """Start all threads; they end with the process."""
        threading.Thread(target=self._decide, daemon=True,
                         name='watch').start()
        for name, source in self._sources.items():
            threading.Thread(target=self._run, args=(name, source),
                             daemon=True, name='source-' + name).start()

        if self._drill_interval:
            threading.Thread(target=self._drill_for_ever, daemon=True,
                             name='drills').start()

    def drill(self):
        """Have the notifier drill, unless a source warns.

        :raises: daemon.DrillRefused
        """
        self._refuse_if_alerted(daemon.DrillRefused)
        return self._notifier.drill()

    def snapshot(self, name, directory, disks):
        """Have the notifier copy a pVM, unless a source warns.

        See daemon.Notifier.snapshot().

        :raises: daemon.NotCopied
        """
        self._refuse_if_alerted(daemon.NotCopied)
        return self._notifier.snapshot(name, directory, disks)

    def _refuse_if_alerted(self, refused):
        warning = self._warning()
        if warning:
            raise refused(warning +
                          '; wait until it says that power is good')

    def _warning(self):
        if self._arbiter.is_alerted:
            return 'a source says that power may fail'
        return None

    def _drill_for_ever(self):
        while True:
            time.sleep(self._drill_interval)
            try:
                self.drill()
            except daemon.DrillRefused as e:
                LOG.warning('No drill: %s', e)
            except Exception:
                LOG.exception('A drill failed')

    def _run(self, name, source):
        while True:
            try:
                source.run(lambda news: self._news.put((name, news)))
            except Exception as e:
                LOG.exception('The source %s of news about power failed',
                              name)
                self._news.put((name, power.News.now(power.LOST, str(e))))
            time.sleep(_RESTART_SECONDS)

    def _decide(self):
        """Never ends, whatever happens."""
        while True:
            try:
                self._step()
            except Exception:
                LOG.exception('Handling news about power failed')

    def _step(self):
        heard = self._hear()
        decision, event = self._arbiter.decide(
            time.monotonic_ns(), self._notifier.outage_raised_by())
        if decision == arbiter.FIXATE:
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
        for name, news in heard:
            LOG.info('Power, as %s says: %s (%s)', name, news.level,
                     news.detail)

    def _acknowledge(self):
        for name, source in self._sources.items():
            try:
                source.acknowledge()
            except Exception as e:
                # Others wait for theirs.
                LOG.error('The source %s does not take the acknowledgement: '
                          '%s', name, e)

    def _hear(self):
        """Wait for news or for the time to decide again; return the news."""
        now_ns = time.monotonic_ns()
        next_ns = self._arbiter.next_ns(now_ns)
        heard = []
        try:
            heard.append(self._news.get(
                timeout=None if next_ns is None else
                (next_ns - now_ns) / 1e9 + 0.001))
        except queue.Empty:
            return heard
        while True:
            self._arbiter.add(*heard[-1])
            # What fails now must not be unsaid by later news.
            if heard[-1][1].level == power.COMMIT:
                return heard
            try:
                heard.append(self._news.get_nowait())
            except queue.Empty:
                return heard
