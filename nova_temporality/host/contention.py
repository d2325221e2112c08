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

"""How much longer fixations take together than they would have to.

Servers that are fixated together are in each other's way: in caches, on locks
of the kernel, in the engine. How much depends on their number, and on the
host. So a drill fixates some numbers of servers together. Of each number it
notes the *slowdown*: what they took / the least time that they could take.
"""

from collections import abc
import itertools
import math

# What one drill measured: numbers of pVMs and their slowdowns, ascending.
Curve = tuple[tuple[int, float], ...]

# pVMs that are alone have no others in their way.
_ALONE = (1, 1.0)

# Where no drill had more than one pVM: what we measured, about, is that eight
# on each CPU take twice as long.
ASSUMED_PER_CPU = 8
ASSUMED_SLOWDOWN = 2.0


def groups(names: abc.Sequence[str]) -> list[list[str]]:
    """Choose which pVMs a drill fixates together, besides all of them.

    2, 4, 8 and so on, but less than all; the groups share as few as possible,
    since each stop costs the guests something.
    """
    turn = itertools.cycle(names)
    chosen = []
    size = 2
    while size < len(names):
        chosen.append(list(itertools.islice(turn, size)))
        size *= 2
    return chosen


def slowdown(curves: abc.Sequence[Curve], pvms: int, cpus: int) -> float:
    """The largest slowdown that drills let expect of so many pVMs.

    :param pvms: that are fixated at the same time
    :param cpus: how many the host has
    :returns: 1 or more
    """
    return max(_slowdown(curve, pvms, cpus) for curve in curves or [()])


def _slowdown(curve: Curve, pvms: int, cpus: int) -> float:
    points = [_ALONE, *(point for point in curve if point[0] > 1)]
    if len(points) == 1:
        points.append((ASSUMED_PER_CPU * cpus, ASSUMED_SLOWDOWN))
    for before, after in itertools.pairwise(points):
        if pvms <= after[0]:
            return max(1.0, _between(before, after, pvms))
    # More than were ever drilled: each doubling adds what the last one did.
    return max(1.0, points[-1][1], _between(points[-2], points[-1], pvms))


def _between(first: tuple[int, float], second: tuple[int, float],
             pvms: int) -> float:
    """Straight over the logarithm of the number."""
    part = math.log(pvms / first[0]) / math.log(second[0] / first[0])
    return first[1] + part * (second[1] - first[1])
