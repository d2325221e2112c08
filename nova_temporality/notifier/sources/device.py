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

"""Devices that say how power is. The engine watches them.

It does so also while there is no notifier, and fixates at once when one of
them alone is sufficient; see native/program/devices.c.
"""

import time
from typing import Protocol

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.vpm import engine
from nova_temporality.vpm import errors

# Seconds after which the engine is asked when the device was heard.
_ASK_AGAIN = 1.0

_LEVELS = {engine.LOST: power.LOST, engine.GOOD: power.GOOD,
           engine.WARN: power.WARN, engine.COMMIT: power.COMMIT}


class Engine(Protocol):
    """What a source needs of engine.Engine."""

    def wait_word(self, number: int, timeout: float) -> engine.Word | None:
        """See engine.Engine."""

    def heard_ns(self, number: int) -> int:
        """See engine.Engine."""

    def acknowledge(self) -> None:
        """See engine.Engine."""


class DeviceSource(sources.Source):
    """Reports what the engine hears of a device.

    :ivar watched: the device
    :ivar engine: that watches it; set before run() is called
    """

    watched: engine.Watched
    engine: Engine

    def run(self, report: sources.Report) -> None:
        """Report every word."""
        is_away = False
        while True:
            word = self.engine.wait_word(self.watched.number, _ASK_AGAIN)
            if word is not None:
                report(power.News(_LEVELS[word.level], word.detail,
                                  word.wall_ns, word.monotonic_ns,
                                  word.momentary))
            try:
                self.heard_ns = self.engine.heard_ns(self.watched.number)
                is_away = False
            except errors.EngineAway as e:
                if not is_away:
                    report(power.News.now(power.LOST, str(e)))
                is_away = True
                time.sleep(_ASK_AGAIN)
