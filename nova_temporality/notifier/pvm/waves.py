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

"""pVMs are fixated in waves, in descending order of priority.

A wave is all pVMs of one priority; they are fixated in parallel. A wave
begins when all pVMs of the waves before have ended, fixated or not, or at its
share of the hold-up time, whichever comes first: a pVM that hangs never keeps
the others from being fixated in time.

The engine does so by itself when it is fired. This is the same for drills, in
which every pVM is fired alone.
"""

from collections import abc
import time
from typing import Protocol
from typing import TypeVar

from nova_temporality.notifier.pvm import attempts
from nova_temporality.spec import priority


class _HasPriority(Protocol):

    @property
    def priority(self) -> int:
        """Of a pVM; the highest goes first."""


_Pvm = TypeVar('_Pvm', bound=_HasPriority)


class Wave:
    """When the pVMs of one priority may be fixated.

    :param before: the Attempts of all earlier waves
    :param latest_ns: CLOCK_MONOTONIC at which the wave begins in any case
    """

    def __init__(self, before: abc.Sequence[attempts.Attempt],
                 latest_ns: int) -> None:
        self._before = before
        self._latest_ns = latest_ns

    def wait(self) -> None:
        """Wait until it may begin."""
        for attempt in self._before:
            attempt.wait_settled(
                (self._latest_ns - time.monotonic_ns()) / 1e9)


def begin(pvms: abc.Mapping[str, _Pvm], event_ns: int, hold_up_ns: int,
          begin_one: abc.Callable[[_Pvm, Wave], attempts.Attempt]
          ) -> list[attempts.Attempt]:
    """Begin to drill pVMs, each in its wave; return at once.

    :param pvms: pvm.Pvm by name
    :param event_ns: CLOCK_MONOTONIC of the event
    :param hold_up_ns: time from the event until power is gone
    :param begin_one: called for every Pvm with its Wave; returns its Attempt
    :returns: the Attempts
    """
    waves = priority.waves({name: pvm.priority
                            for name, pvm in pvms.items()})
    begun: list[attempts.Attempt] = []
    for index, names in enumerate(waves):
        wave = Wave(list(begun),
                    event_ns + hold_up_ns * index // len(waves))
        begun += [begin_one(pvms[name], wave) for name in names]
    return begun
