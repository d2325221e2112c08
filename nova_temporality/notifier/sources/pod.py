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

"""The kernel driver of the power outage detector, /dev/pod."""

import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import pod_device

LOG = logging.getLogger(__name__)

# Seconds until a driver that is missing is looked for again.
_LOOK_AGAIN = 5.0

_LEVELS = {pod_device.LOST: power.LOST, pod_device.GOOD: power.GOOD,
           pod_device.WARN: power.WARN, pod_device.COMMIT: power.COMMIT}
_ORIGINS = {pod_device.ORIGIN_LINE: 'a line', pod_device.ORIGIN_NMI: 'an NMI',
            pod_device.ORIGIN_TEST: 'the test trigger'}


class PodSource(sources.Source):
    """Reports the driver's events, and tells it when the pVMs are fixated.

    The driver is told to send signal 44 too if "signal" is a source.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._signal = (pod_device.SIGNAL
                        if 'signal' in conf.temporality.pod_sources else 0)
        self._device: pod_device.PodDevice | None = None
        # The latest event of level COMMIT.
        self._committed = 0
        self._problem: str | None = None

    def run(self, report: sources.Report) -> None:
        while True:
            try:
                with pod_device.PodDevice(pod_device.PATH) as device:
                    self._device = device
                    self._watch(device, report)
            except pod_device.PodError as e:
                self._lose(report, str(e))
            time.sleep(_LOOK_AGAIN)

    def _watch(self, device: pod_device.PodDevice,
               report: sources.Report) -> None:
        device.register(self._signal)
        if device.info().inputs:
            self._problem = None
            # An NMI alone does not say how power is.
            self.heard()
        else:
            self._lose(report, 'the POD driver watches nothing; load it with '
                       'gpio_chip and gpio_line, or nmi')
        while True:
            for event in device.read():
                self._on_event(event, report)

    def _on_event(self, event: pod_device.Event,
                  report: sources.Report) -> None:
        level = _LEVELS.get(event.level)
        if level is None:
            raise pod_device.PodError('the POD driver reports the unknown '
                                      'level %d' % event.level)
        if level == power.COMMIT:
            self._committed = event.sequence
        wall_ns, monotonic_ns = event.realtime_ns, event.monotonic_ns
        if event.flags & pod_device.EVENT_STATE:
            # The state may be old; the time that a fixation may take counts
            # from now.
            wall_ns, monotonic_ns = time.time_ns(), time.monotonic_ns()
        report(power.News(
            level, 'POD driver, %s' % _ORIGINS.get(event.origin, 'unknown'),
            wall_ns, monotonic_ns,
            momentary=event.origin == pod_device.ORIGIN_NMI))
        if event.missed:
            LOG.error('%d events of the POD driver were lost: they came '
                      'faster than they were read', event.missed)

    def _lose(self, report: sources.Report, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            report(power.News.now(power.LOST, problem))

    def acknowledge(self) -> None:
        if self._committed and self._device:
            self._device.acknowledge(self._committed)
