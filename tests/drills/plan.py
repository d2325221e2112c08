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

# On which host it happens. The NVRAM of the one survives a cut; the other one
# has DRAM, which does not, and a vault.
NVRAM = 'NVRAM'
VAULT = 'vault'

KINDS = NVRAM, VAULT

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
# Where there is a vault, much is then written ahead.
WARNING = 'a UPS warns'

EVENTS = (NOTHING, DRILL, ALLOCATION, SUSPENSION, BROWN_OUT, NOTIFIER_ENDS,
          NOTIFIER_DIES, ENGINE_IS_REPLACED, ENGINE_DIES)

# Who says that it goes dark.
POD = 'the POD'
UPS = 'a UPS'
OPERATOR = 'an operator, for a reboot'

# From when on the time to the cut counts.
AT_ONCE = 'power fails'
FIXATED = 'all are fixated'
# It is cut just then.
PROVEN = 'all would survive it'

# Where a recovery is cut off by another cut.
WHILE_RESTORING = 'while the pool is restored'
WHILE_WRITING = 'when it is written to the vault again'
WHILE_LOADING = 'while it is loaded'
LOADED = 'when it is loaded'
GIVEN_UP = 'when its state is given up'
RUNNING = 'when it runs'

STAGES = (WHILE_LOADING, LOADED, GIVEN_UP, RUNNING)
VAULT_STAGES = (WHILE_RESTORING, WHILE_WRITING)

# What of the vault is then overwritten with a copy that somebody has kept.
ALL = '.'
SERVERS = 'servers'
RECORDS = 'records'

COPIES = ALL, SERVERS, RECORDS


@dataclasses.dataclass(frozen=True)
class Round:
    """What happens in a round.

    :ivar kind: one of KINDS
    :ivar run_s: for how long servers run before
    :ivar event: what somebody does
    :ivar event_s: for how long, if that matters
    :ivar lead_s: from the event's beginning to the failure of power
    :ivar by: who tells of it
    :ivar since: from when on the time to the cut counts
    :ivar dark_ms: that time
    :ivar again: at which stage of the recovery another cut comes; '': none
    :ivar again_s: how long it takes then
    :ivar put_back: what is taken from a copy of the vault then; '': nothing
    """

    kind: str
    run_s: float
    event: str
    event_s: float
    lead_s: float
    by: str
    since: str
    dark_ms: float
    again: str
    again_s: float
    put_back: str

    @classmethod
    def of(cls, seed: str, number: int) -> 'Round':
        """Plan a round."""
        chance = random.Random('%s %d' % (seed, number))
        kind = chance.choice(KINDS)
        has_vault = kind == VAULT
        event = chance.choice((*EVENTS, *([WARNING] if has_vault else [])))
        since = chance.choice(
            (AT_ONCE, FIXATED, FIXATED, PROVEN, PROVEN) if has_vault else
            (AT_ONCE, AT_ONCE, AT_ONCE, PROVEN, PROVEN))
        again = chance.choice((*STAGES, *(VAULT_STAGES if has_vault else []))
                              ) if chance.random() < 0.4 else ''
        return cls(
            kind=kind, run_s=chance.uniform(0, 1), event=event,
            event_s=10 ** chance.uniform(-1.5, 0),
            lead_s=chance.choice((0, chance.uniform(0, 0.05),
                                  chance.uniform(0, 2))),
            by=(UPS if event == BROWN_OUT else chance.choice(
                (POD, POD, UPS, *([OPERATOR] if has_vault else [])))),
            since=since, dark_ms=10 ** chance.uniform(0.3, 2.7),
            again=again, again_s=10 ** chance.uniform(-3, -0.5),
            put_back=(chance.choice(COPIES)
                      if has_vault and again in (GIVEN_UP, RUNNING) and
                      chance.random() < 0.5 else ''))
