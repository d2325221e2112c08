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

"""Where instants lie in the picture: two axes with their own scales."""

from collections import abc
import dataclasses
import statistics

from nova_temporality.cli.report import model

_STEPS = (1, 2, 2.5, 5, 10)


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis from 0 to *end*; what lies beyond is cut off there."""

    end: float

    def part(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        return min(max(value / self.end, 0.0), 1.0)

    def is_beyond(self, value: float) -> bool:
        """Whether it is cut off."""
        return value > self.end

    def ticks(self, at_most: int) -> list[float]:
        """Return round values, from 0 on.

        :param at_most: how many
        """
        magnitude = 10.0 ** -9
        while True:
            for step in _STEPS:
                size = step * magnitude
                if self.end / size < at_most:
                    return [number * size for number in
                            range(int(self.end / size) + 1)]
            magnitude *= 10


@dataclasses.dataclass(frozen=True)
class Scales:
    """Both axes of a report's pictures, so that all of them are alike.

    :ivar fixation: milliseconds since the event
    :ivar recovery: seconds since *zero_s*; None if there is no recovery
    :ivar zero_s: seconds from the event to the first instant of a recovery
    """

    fixation: Axis
    recovery: Axis | None
    zero_s: float


def scales(report: model.Report) -> Scales:
    """Choose the axes of a report."""
    starts = [instant for server in report.servers if server.recovery
              for instant in (server.recovery.began_s,
                              server.recovery.ended_s) if instant is not None]
    up_s = report.host.up_s if report.host else None
    zero_s = up_s if up_s is not None else min(starts, default=0.0)
    # Whatever was written down must not lead before the axis.
    ends = [max(0.0, (server.recovery.running_s or
                      server.recovery.ended_s or zero_s) - zero_s)
            for server in report.servers if server.recovery]
    return Scales(
        _fixation(report), Axis(_enough(ends)) if ends else None, zero_s)


def _fixation(report: model.Report) -> Axis:
    """The bars and the hold-up time, if they are of the same order."""
    longest = max((server.fixation.last_ms for server in report.servers),
                  default=0.0)
    hold_up = report.budget.hold_up_ms
    if 0 < longest < hold_up / 4:
        return Axis(longest * 1.3)
    return Axis(min(max(longest, hold_up) * 1.1, hold_up * 2))


def _enough(ends: abc.Sequence[float]) -> float:
    """Room for most; one that came hours later must not hide the others."""
    limit = 4 * statistics.median(ends)
    return max(1e-3, 1.1 * max(end for end in ends if end <= limit))
