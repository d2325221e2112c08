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

"""Whether the host's clock can be relied on.

After an outage it comes from the real-time clock, which may be off until
somebody (chrony, systemd-timesyncd) has set it right.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from nova_temporality.host import clock

_POLL_SECONDS = 0.5

# Nanoseconds by which the two clocks differ at most if none was set.
_RAN_ON_NS = 1_000_000_000


class Instant(NamedTuple):
    """An instant, as both clocks of the host showed it.

    :ivar wall_ns: CLOCK_REALTIME
    :ivar monotonic_ns: CLOCK_MONOTONIC, which begins anew with each boot
    """

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls) -> Instant:
        """This instant."""
        return cls(time.time_ns(), time.monotonic_ns())


def problem(since: Instant | None) -> str | None:
    """Why the clock of a guest must not be set by the host's; None if it may.

    A clock that nobody synchronises is good enough if it has run on since the
    guest stood still: it is as right as it was then. After a boot it may be
    wrong by years.

    :param since: when the guest stood still; None if nobody knows
    """
    now = Instant.now()
    if clock.is_synchronised():
        if since is not None and now.wall_ns < since.wall_ns:
            return ("the host's clock is behind the instant at which the "
                    'guest stood still')
        return None
    if since is not None and _ran_on(since, now):
        return None
    return "the host's clock is not synchronised"


def may_be_wrong(since: Instant) -> bool:
    """Whether nobody can tell, yet, how long ago something was."""
    return not clock.is_synchronised() and not _ran_on(since, Instant.now())


def _ran_on(since: Instant, now: Instant) -> bool:
    """Whether the clock was not set in between, nor the host booted."""
    return abs((now.wall_ns - since.wall_ns) -
               (now.monotonic_ns - since.monotonic_ns)) < _RAN_ON_NS


def wait_synchronised(deadline: float) -> bool:
    """Wait for that; return whether it came true.

    :param deadline: of time.monotonic()
    """
    while not clock.is_synchronised():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
