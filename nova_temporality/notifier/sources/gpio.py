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

import os

from oslo_config import cfg

from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import device
from nova_temporality.vpm import engine


class GpioSource(device.DeviceSource):
    """Power is good while the line is active."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        opts = conf.temporality
        if not opts.gpio_chip:
            raise sources.SourceError(
                '[temporality] gpio_chip is not set; give a path that '
                '"gpiodetect" knows, like /dev/gpiochip0')
        if len(os.fsencode(opts.gpio_chip)) > engine.DEVICE_PATH_MAX:
            raise sources.SourceError(
                '[temporality] gpio_chip: "%s" is longer than %d bytes; give '
                'a shorter path' % (opts.gpio_chip, engine.DEVICE_PATH_MAX))
        if opts.gpio_line is None:
            raise sources.SourceError(
                '[temporality] gpio_line is not set; give the offset of the '
                'line, as "gpioinfo" lists it')
        self.watched = engine.Watched(
            engine.GPIO_DEVICE, opts.gpio_chip, gpio_line=opts.gpio_line,
            gpio_active_low=opts.gpio_active_low,
            gpio_debounce_us=opts.gpio_debounce_us)
