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

from oslo_log import log as logging

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import pod_device

LOG = logging.getLogger(__name__)

# Seconds until a driver that is not there is looked for again.
_LOOK_AGAIN = 5.0

_LEVELS = {pod_device.LOST: power.LOST, pod_device.GOOD: power.GOOD,
           pod_device.WARN: power.WARN, pod_device.COMMIT: power.COMMIT}
_ORIGINS = {pod_device.ORIGIN_LINE: 'a line', pod_device.ORIGIN_NMI: 'an NMI',
            pod_device.ORIGIN_TEST: 'the test trigger'}


class PodSource(sources.Source):
    """Events of the driver, which learns when the pVMs are fixated.

    The driver's signal 44 is asked for if "signal" is a source, too.
    """

    def __init__(self, conf):
        self._signal = (pod_device.SIGNAL
                        if 'signal' in conf.temporality.pod_sources else 0)
        self._device = None
        # The latest event of level COMMIT.
        self._committed = 0
        self._problem = None

    def run(self, report):
        while True:
            try:
                with pod_device.PodDevice(pod_device.PATH) as self._device:
                    self._watch(self._device, report)
            except pod_device.PodError as e:
                self._lose(report, str(e))
            time.sleep(_LOOK_AGAIN)

    def _watch(self, device, report):
        device.register(self._signal)
        if device.info().inputs:
            self._problem = None
        else:
            self._lose(report, 'the POD driver watches nothing; load it with '
                       'gpio_chip and gpio_line, or nmi')
        while True:
            for event in device.read():
                self._on_event(event, report)

    def _on_event(self, event, report):
        level = _LEVELS.get(event.level)
        if level is None:
            raise pod_device.PodError('the POD driver tells of level %d'
                                      % event.level)
        if level == power.COMMIT:
            self._committed = event.sequence
        wall_ns, monotonic_ns = event.realtime_ns, event.monotonic_ns
        if event.flags & pod_device.EVENT_STATE:
            # It may have been so for long; what is done now takes its time
            # from now.
            wall_ns, monotonic_ns = time.time_ns(), time.monotonic_ns()
        report(power.News(
            level, 'POD driver, %s' % _ORIGINS.get(event.origin, 'unknown'),
            wall_ns, monotonic_ns,
            momentary=event.origin == pod_device.ORIGIN_NMI))
        if event.missed:
            LOG.error('%d events of the POD driver came too fast to be read',
                      event.missed)

    def _lose(self, report, problem):
        if problem != self._problem:
            self._problem = problem
            report(power.News.now(power.LOST, problem))

    def acknowledge(self):
        if self._committed:
            self._device.acknowledge(self._committed)
