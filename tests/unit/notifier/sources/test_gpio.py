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

"""A line of a GPIO chip as a source; the engine watches it."""

import pytest

from nova_temporality.notifier.sources import gpio
from nova_temporality.vpm import engine
from tests.framework import pod_sources


pytestmark = pytest.mark.native_threads


def test_what_is_watched():
    source = gpio.GpioSource(pod_sources.make_conf(
        gpio_chip='/dev/gpiochip7', gpio_line=3, gpio_active_low=True,
        gpio_debounce_us=2000))
    assert source.watched == engine.Watched(
        engine.GPIO_DEVICE, '/dev/gpiochip7', gpio_line=3,
        gpio_active_low=True, gpio_debounce_us=2000)
    assert not source.momentary
