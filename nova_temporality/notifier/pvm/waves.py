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

"""Whose turn it is: pVMs are fixated in descending order of priority.

Those of equal priority are fixated in parallel. A priority has its turn when
all of higher priority have ended, one way or the other, or at its share of the
hold-up time, whichever comes first: a pVM that hangs never keeps the others
from being fixated in time.

The engine does so by itself when it is fired (native/engine/waves.h). This is
the same for drills, in which every pVM is fired alone.
"""

import time

from nova_temporality.spec import priority


class Turn:
    """When the pVMs of one priority may be fixated.

    :param before: list of the fixation.Attempt that have their turn before
    :param latest_ns: CLOCK_MONOTONIC at which it comes in any case
    """

    def __init__(self, before, latest_ns):
        self._before = before
        self._latest_ns = latest_ns

    def wait(self):
        """Wait until it has come."""
        for attempt in self._before:
            attempt.wait_settled(
                (self._latest_ns - time.monotonic_ns()) / 1e9)


# Of those who come first, or are alone.
FIRST = Turn([], 0)


def give(pvms, event_ns, hold_up_ns, begin):
    """Have pVMs drilled, each in its turn; return at once.

    :param pvms: dict of pvm.Pvm by name
    :param event_ns: CLOCK_MONOTONIC of the event
    :param hold_up_ns: time from there until darkness
    :param begin: called for every Pvm with its turn; returns its Attempt
    :returns: the Attempts
    """
    waves = priority.waves({name: one.priority
                            for name, one in pvms.items()})
    everyone = []
    for number, names in enumerate(waves):
        turn = Turn(list(everyone),
                    event_ns + hold_up_ns * number // len(waves))
        everyone += [begin(pvms[name], turn) for name in names]
    return everyone
