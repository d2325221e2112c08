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

"""Does the energy budget predict what fixations take?

A host with few pVMs drills, and says what more of them would take; a host
with that many measures it.
"""

import os
import statistics

from bench.fixation import fleet
from bench.fixation import machines
from nova_temporality.host import budget
from nova_temporality.spec import priority

COUNTS = 1, 4, 8, 16
DRILLS = 5


def measure(image, rounds):
    """Return for each number of pVMs what was predicted and what it took.

    Of drills the medians, in milliseconds: what was predicted for the same
    pVMs, and for sixteen.
    """
    return {'budget': [_measure(image, count, rounds) for count in COUNTS]}


def _measure(image, count, rounds):
    with machines.Site(size=(count + 2) * machines.LINUX_MEMORY) as site:
        guests = fleet.Fleet(site, image, count)
        guests.round()
        drilled = [_drill(site) for _ in range(DRILLS)]
        taken = [guests.round() for _ in range(rounds)]
        return {
            'pvms': count,
            'foretold_ms': _foretold(drilled, count),
            'foretold_16_ms': _foretold(drilled, 16),
            'taken_ms': fleet.percentiles(
                [fleet.fixation_ms(outcomes) for outcomes in taken])}


def _drill(site):
    site.call('drill')
    site.wait_armed()
    return budget.load(site.pool.path)


def _foretold(drilled, count):
    return round(statistics.median(
        _predict(one, count).total_ms for one in drilled), 1)


def _predict(drilled, count):
    # First those that were drilled, then pVMs that are not known.
    names = [*drilled.costs_ms, *map(str, range(count))][:count]
    return budget.predict(dict.fromkeys(names, priority.DEFAULT), drilled,
                          os.cpu_count())
