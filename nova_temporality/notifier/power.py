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

"""What sources report about the power supply, and when."""

import dataclasses
import time

# What a source reports. LOST: it cannot see the supply any more.
LOST = 'lost'
GOOD = 'good'
WARN = 'warn'
COMMIT = 'commit'

# Who has pVMs fixated without being a source.
OPERATOR = 'operator'
DRILL = 'drill'
SUSPEND = 'suspend'
SNAPSHOT = 'snapshot'

# Who fixates a pVM without an outage. A pVM that was left stopped by such a
# fixation is resumed without being asked for.
NO_OUTAGE = frozenset((DRILL, SUSPEND, SNAPSHOT))


@dataclasses.dataclass(frozen=True)
class News:
    """What a source reports about the power supply.

    :ivar level: LOST, GOOD, WARN (power may fail soon) or COMMIT (it fails)
    :ivar detail: in words
    :ivar wall_ns: CLOCK_REALTIME of the change, as exactly as is known
    :ivar monotonic_ns: CLOCK_MONOTONIC of it
    :ivar momentary: whether it is about an instant only, not about a
                     condition that lasts until the next news
    """

    level: str
    detail: str
    wall_ns: int
    monotonic_ns: int
    momentary: bool = False

    @classmethod
    def now(cls, level: str, detail: str) -> 'News':
        """Make news of this instant."""
        return cls(level, detail, time.time_ns(), time.monotonic_ns())


@dataclasses.dataclass(frozen=True)
class PowerEvent:
    """The instant from which a fixation's time is measured.

    :ivar source: in words
    :ivar wall_ns: CLOCK_REALTIME
    :ivar monotonic_ns: CLOCK_MONOTONIC
    :ivar raised_by: names of the sources that agreed, OPERATOR, or one of
                     NO_OUTAGE
    :ivar warned_ns: CLOCK_REALTIME of the first warning that came before it
                     and was not taken back, 0 without one
    """

    source: str
    wall_ns: int
    monotonic_ns: int
    raised_by: tuple[str, ...] = (OPERATOR,)
    warned_ns: int = 0

    @classmethod
    def now(cls, source: str, raised_by: tuple[str, ...] = (OPERATOR,)
            ) -> 'PowerEvent':
        """Make an event of this instant."""
        return cls(source, time.time_ns(), time.monotonic_ns(), raised_by)
