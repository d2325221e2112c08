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

"""What happens in a round: the same for the same seed and number."""

import dataclasses
import random

# What somebody does just then.
NOTHING = 'nothing'
DRILL = 'a drill'
ALLOCATION = 'a region is made and freed'
SUSPENSION = 'a server is suspended'
BROWN_OUT = 'power comes back, and goes again'
NOTIFIER_ENDS = 'the notifier is restarted'
NOTIFIER_DIES = 'the notifier is killed, and restarted'
ENGINE_IS_REPLACED = 'the engine replaces itself'
ENGINE_DIES = 'the engine is killed, and restarted'

EVENTS = (NOTHING, DRILL, ALLOCATION, SUSPENSION, BROWN_OUT, NOTIFIER_ENDS,
          NOTIFIER_DIES, ENGINE_IS_REPLACED, ENGINE_DIES)

# Where a recovery is cut off by another cut.
WHILE_LOADING = 'while it is loaded'
LOADED = 'when it is loaded'
GIVEN_UP = 'when its state is given up'
RUNNING = 'when it runs'

STAGES = (WHILE_LOADING, LOADED, GIVEN_UP, RUNNING)


@dataclasses.dataclass(frozen=True)
class Round:
    """What happens in a round.

    :ivar run_s: for how long servers run before
    :ivar event: one of EVENTS
    :ivar lead_s: from the event's beginning to the failure of power
    :ivar by_ups: whether a UPS tells of it, and not the POD's signal
    :ivar dark_ms: from then to the cut; None: when all are fixated
    :ivar again: at which stage of the recovery another cut comes; '': none
    :ivar again_s: how long it takes then
    """

    run_s: float
    event: str
    lead_s: float
    by_ups: bool
    dark_ms: float | None
    again: str
    again_s: float

    @classmethod
    def of(cls, seed: str, number: int) -> 'Round':
        """Plan a round."""
        chance = random.Random('%s %d' % (seed, number))
        event = chance.choice(EVENTS)
        return cls(
            run_s=chance.uniform(0, 1), event=event,
            lead_s=chance.choice((0, chance.uniform(0, 0.05),
                                  chance.uniform(0, 2))),
            by_ups=event == BROWN_OUT or chance.random() < 0.3,
            dark_ms=(None if chance.random() < 0.4
                     else 10 ** chance.uniform(0.3, 2.7)),
            again=chance.choice(STAGES) if chance.random() < 0.3 else '',
            again_s=10 ** chance.uniform(-3, -0.5))
