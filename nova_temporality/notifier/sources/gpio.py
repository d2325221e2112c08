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

"""A line of a GPIO chip: PWR_OK of a power supply, AC_OK of a UPS."""

import datetime
import time

import gpiod
from gpiod import line
from oslo_config import cfg

from nova_temporality.notifier import power
from nova_temporality.notifier import sources

# Seconds after which the line is read even without an event.
_LOOK_AGAIN = 1.0


class GpioSource(sources.Source):
    """Power is good while the line is active."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        opts = conf.temporality
        self._chip = opts.gpio_chip
        self._line = opts.gpio_line
        self._active_low = opts.gpio_active_low
        if not self._chip:
            raise sources.SourceError(
                '[temporality] gpio_chip is not set; give a path that '
                '"gpiodetect" knows, like /dev/gpiochip0')
        if self._line is None:
            raise sources.SourceError(
                '[temporality] gpio_line is not set; give the offset of the '
                'line, as "gpioinfo" lists it')
        self._was_good: bool | None = None

    def run(self, report: sources.Report) -> None:
        settings = gpiod.LineSettings(
            direction=line.Direction.INPUT, edge_detection=line.Edge.BOTH,
            active_low=self._active_low, event_clock=line.Clock.MONOTONIC)
        with gpiod.request_lines(self._chip, {self._line: settings},
                                 consumer='temporality') as request:
            while True:
                self._look(request, report)
                if request.wait_edge_events(
                        datetime.timedelta(seconds=_LOOK_AGAIN)):
                    for event in request.read_edge_events():
                        self._on_edge(event, report)

    def _look(self, request: gpiod.LineRequest,
              report: sources.Report) -> None:
        """Read the line: events may have been lost."""
        is_good = request.get_value(self._line) == line.Value.ACTIVE
        self._report_change(report, is_good, time.monotonic_ns())
        self.heard()

    def _on_edge(self, event: gpiod.EdgeEvent,
                 report: sources.Report) -> None:
        self._report_change(
            report, event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE,
            event.timestamp_ns)

    def _report_change(self, report: sources.Report, is_good: bool,
                       monotonic_ns: int) -> None:
        if is_good == self._was_good:
            return
        self._was_good = is_good
        age_ns = time.monotonic_ns() - monotonic_ns
        report(power.News(
            power.GOOD if is_good else power.COMMIT,
            '%s line %d is %s' % (self._chip, self._line,
                                  'active' if is_good else 'inactive'),
            time.time_ns() - age_ns, monotonic_ns))
