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

"""What is known of one UPS, and what several of them mean together.

Nothing in here waits or reads a clock: times are CLOCK_MONOTONIC in ns, given
by the caller. The rules are those of NUT's own upsmon.
"""

from collections import abc

from nova_temporality.notifier import power

# Not a level of power: the UPS says that it feeds nobody.
OFF = 'off'


def level(status: str) -> str:
    """Return what the words of ups.status mean: a power level, or OFF.

    A UPS that calibrates itself is on battery, and lets the battery run low,
    on purpose: it goes back to the line by itself. On bypass the load hangs
    on the line without a UPS; whether power is good nobody can say then.
    """
    words = status.split()
    if 'FSD' in words:
        return power.COMMIT
    if 'OB' in words:
        if 'LB' in words and 'CAL' not in words:
            return power.COMMIT
        return power.WARN
    if 'OFF' in words:
        return OFF
    if 'OL' in words and 'BYPASS' not in words:
        return power.GOOD
    return power.LOST


class Supply:
    """One UPS.

    :param name: as operators know it
    :param dead_ns: after how much silence a UPS that was on battery is taken
                    for one that has failed; 0 for never
    """

    def __init__(self, name: str, dead_ns: int) -> None:
        self.name = name
        self._dead_ns = dead_ns
        self._level = power.LOST
        self._words = 'not heard yet'
        self._heard_ns = 0
        self._silence: str | None = None

    def hear(self, status: str, now_ns: int) -> None:
        """Take an answer: the words of ups.status."""
        heard = level(status)
        if heard == power.LOST and not set(status.split()) & {'BYPASS'}:
            # The driver has not reached the UPS.
            self.lose('its status is "%s"' % status)
            return
        self._level, self._words = heard, status
        self._heard_ns = now_ns
        self._silence = None

    def lose(self, problem: str) -> None:
        """There is no answer, for the reason *problem*."""
        self._silence = problem

    def level(self, now_ns: int) -> str:
        """Return its power level, or OFF."""
        if self._silence is None or self._level == power.COMMIT:
            return self._level
        if self._is_dead(now_ns):
            return power.COMMIT
        return power.LOST

    def dies_ns(self, now_ns: int) -> int | None:
        """Return when silence makes it count as failed, or None."""
        if (self._silence is None or self._level != power.WARN or
                not self._dead_ns or self._is_dead(now_ns)):
            return None
        return self._heard_ns + self._dead_ns

    def describe(self) -> str:
        """Say in words how it is."""
        if self._silence is None:
            return 'UPS %s: %s' % (self.name, self._words)
        return 'UPS %s: %s (last heard: %s)' % (self.name, self._silence,
                                                self._words)

    def _is_dead(self, now_ns: int) -> bool:
        return (self._silence is not None and self._dead_ns > 0 and
                self._level == power.WARN and
                now_ns - self._heard_ns >= self._dead_ns)


def together(levels: abc.Sequence[str], min_supplies: int) -> str:
    """Return the power level of a host that several UPSes feed.

    Power fails when fewer than *min_supplies* may still feed it, one of the
    others having failed; one that fails before is a warning. One that was
    not heard after all was well may still feed, so it fails nobody, but it
    cannot say that power is good either.
    """
    failed = levels.count(power.COMMIT)
    feeding = len(levels) - failed - levels.count(OFF)
    if failed and feeding < min_supplies:
        return power.COMMIT
    if failed or power.WARN in levels:
        return power.WARN
    if levels.count(power.GOOD) >= min_supplies:
        return power.GOOD
    return power.LOST
