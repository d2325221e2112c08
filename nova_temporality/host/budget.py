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

"""The energy budget: can all pVMs be fixated within the hold-up time?

``temporality drill`` measures what the fixation of each pVM takes when it is
alone (its *cost*), and what some numbers of them take together. From that
follows what a host with other pVMs would take::

    bound    = for each priority, one after the other: the largest cost, or
               the sum of costs over the host's CPUs, whichever is more
    slowdown = what a drill took / its bound, for as many pVMs as the priority
               that has most; the largest one of the latest drills; at least 1
    total    = slowdown * bound

The bound is the shortest possible time for a host that shares the work among
its CPUs. The slowdown says how much longer this host takes (contention.py). A
pVM that was not drilled yet is assumed to cost as much as the most costly one
that was, or ASSUMED_MS if none was.

That is a forecast, and it errs. So each drill is compared with what was
predicted for it before, and the latest errors are kept.

The results are kept in the pool, so that they survive a reboot.
"""

from collections import abc
import dataclasses
import json
import os
from typing import Any
from typing import TypedDict

from oslo_log import log as logging

from nova_temporality.host import contention
from nova_temporality.host import paths
from nova_temporality.spec import priority

LOG = logging.getLogger(__name__)

# Milliseconds; about what one pVM took on the machines that we measured.
ASSUMED_MS = 5.0

# How many errors are kept.
_ERRORS = 10

# Of how many drills the slowdowns are kept. The largest one counts: a fixation
# in need is no better than the worst that was seen lately.
_CURVES = 5


@dataclasses.dataclass(frozen=True)
class Drilled:
    """What drills have measured.

    :ivar costs_ms: milliseconds by pVM
    :ivar total_ms: what the last drill took for all of its pVMs, or None
    :ivar curves: of the latest drills; that of the last one is the last
    :ivar time: of the last drill, ISO 8601, or None
    :ivar errors: what drills took / what was predicted for them; the latest
                  one is the last
    """

    costs_ms: abc.Mapping[str, float] = dataclasses.field(
        default_factory=dict)
    total_ms: float | None = None
    curves: tuple[contention.Curve, ...] = ()
    time: str | None = None
    errors: tuple[float, ...] = ()

    @property
    def assumed_ms(self) -> float:
        """The cost of a pVM that was not drilled."""
        return max(self.costs_ms.values(), default=ASSUMED_MS)


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What fixating a host's pVMs would take.

    :ivar total_ms: milliseconds from the event to the last marker
    :ivar pvms: how many pVMs
    :ivar assumed: how many of them were not drilled
    :ivar assumed_ms: what each of these is assumed to cost
    """

    total_ms: float
    pvms: int
    assumed: int
    assumed_ms: float


def predict(priorities: abc.Mapping[str, int], drilled: Drilled,
            cpus: int) -> Prediction:
    """Predict what fixating a set of pVMs would take.

    :param priorities: priority by pVM
    :param drilled: what is known of them
    :param cpus: how many the host has
    """
    assumed_ms = drilled.assumed_ms
    costs_ms = {name: drilled.costs_ms.get(name, assumed_ms)
                for name in priorities}
    slowdown = contention.slowdown(drilled.curves, together(priorities),
                                   cpus)
    return Prediction(
        round(slowdown * bound_ms(priorities, costs_ms, cpus), 3),
        len(priorities),
        sum(name not in drilled.costs_ms for name in priorities), assumed_ms)


def bound_ms(priorities: abc.Mapping[str, int],
             costs_ms: abc.Mapping[str, float], cpus: int) -> float:
    """The least time that fixating these pVMs can take, in milliseconds."""
    return sum(
        max(max(costs_ms[name] for name in wave),
            sum(costs_ms[name] for name in wave) / cpus)
        for wave in priority.waves(priorities))


def together(priorities: abc.Mapping[str, int]) -> int:
    """How many of these pVMs are fixated at the same time; at least 1."""
    return max(map(len, priority.waves(priorities)), default=1)


def load(pool_path: str) -> Drilled:
    """Return what is known of drills; nothing of a damaged record."""
    try:
        with open(paths.drills(pool_path), encoding='utf-8') as record:
            stored = json.load(record)
        return Drilled(
            {str(name): _positive(cost)
             for name, cost in stored['costs_ms'].items()},
            _positive(stored['total_ms']),
            # Neither is in the record of an earlier version.
            tuple(map(_curve, stored.get('curves', ()))),
            str(stored['time']),
            tuple(map(_positive, stored.get('errors', ()))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Drilled()


def _positive(value: Any) -> float:
    number = float(value)
    # Neither of a NaN.
    if not 0 < number < float('inf'):
        raise ValueError(value)
    return number


def _curve(value: Any) -> contention.Curve:
    curve = tuple((int(_positive(pvms)), _positive(slowdown))
                  for pvms, slowdown in value)
    numbers = [0, *(pvms for pvms, _slowdown in curve)]
    if numbers != sorted(set(numbers)):
        raise ValueError(value)
    return curve


def store(pool_path: str, drilled: Drilled) -> None:
    """Record what drills have measured, durably, as a whole or not at all."""
    path = paths.drills(pool_path)
    with open(path + '.new', 'w', encoding='utf-8') as record:
        json.dump(dataclasses.asdict(drilled), record, indent=1)
        record.write('\n')
        record.flush()
        os.fsync(record.fileno())
    os.rename(path + '.new', path)
    directory = os.open(pool_path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class BudgetStatus(TypedDict):
    """Whether a set of pVMs fits, as it goes into JSON."""

    hold_up_ms: int
    predicted_ms: float
    fits: bool
    not_drilled: int
    assumed_ms: float
    drilled_ms: float | None
    drilled_at: str | None
    errors: list[float]


class Forecast(TypedDict):
    """What was predicted for a drill, and what it took.

    not_drilled: for how many pVMs that was a guess.
    """

    predicted_ms: float
    taken_ms: float
    not_drilled: int


class HostBudget:
    """What drills have measured on this host, and what follows from that.

    :param pool_path: directory of the pool
    :param hold_up_ms: [temporality] hold_up_ms
    """

    def __init__(self, pool_path: str, hold_up_ms: int) -> None:
        self._pool_path = pool_path
        self._hold_up_ms = hold_up_ms
        self._drilled = load(pool_path)

    def learn(self, costs_ms: abc.Mapping[str, float],
              groups_ms: abc.Sequence[tuple[abc.Collection[str], float]],
              time: str, priorities: abc.Mapping[str, int]) -> Forecast:
        """Take the results of a drill.

        :param costs_ms: what each pVM took alone, in ms by name
        :param groups_ms: names of pVMs, and what they took together; the last
                          group is all of them
        :param time: of the drill, ISO 8601
        :param priorities: priority by name of all pVMs that there are; of
                           these, what was measured earlier still counts
        :returns: what had been predicted for the pVMs that were measured
        """
        known_ms = {**self._drilled.costs_ms, **costs_ms}
        total_ms = groups_ms[-1][1]
        before = predict(_of(costs_ms, priorities), self._drilled, cpus())
        curve = {}
        for names, taken_ms in groups_ms:
            group = _of(names, priorities)
            curve[together(group)] = (
                taken_ms / bound_ms(group, costs_ms, cpus()))
        errors = self._drilled.errors
        if not before.assumed:
            errors = (*errors, round(total_ms / before.total_ms, 3))[-_ERRORS:]
        self._drilled = Drilled(
            {name: cost for name, cost in known_ms.items()
             if name in priorities},
            total_ms,
            (*self._drilled.curves, tuple(sorted(curve.items())))[-_CURVES:],
            time, errors)
        try:
            store(self._pool_path, self._drilled)
        except OSError as e:
            LOG.error('Cannot record what the drill measured: %s', e)
        return {'predicted_ms': before.total_ms, 'taken_ms': total_ms,
                'not_drilled': before.assumed}

    def status(self, priorities: abc.Mapping[str, int]) -> BudgetStatus:
        """Say whether these pVMs fit.

        :param priorities: priority by name
        """
        prediction = predict(priorities, self._drilled, cpus())
        return {
            'hold_up_ms': self._hold_up_ms,
            'predicted_ms': prediction.total_ms,
            'fits': prediction.total_ms <= self._hold_up_ms,
            'not_drilled': prediction.assumed,
            'assumed_ms': prediction.assumed_ms,
            'drilled_ms': self._drilled.total_ms,
            'drilled_at': self._drilled.time,
            'errors': list(self._drilled.errors),
        }


def _of(names: abc.Iterable[str],
        priorities: abc.Mapping[str, int]) -> dict[str, int]:
    return {name: priorities.get(name, priority.DEFAULT) for name in names}


def cpus() -> int:
    """How many CPUs this host has."""
    return os.cpu_count() or 1
