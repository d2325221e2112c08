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

"""Would the energy last for writing all servers to the vault?"""

from collections import abc
import contextlib
import dataclasses
import os
from typing import NamedTuple

from nova_temporality.host import blocks
from nova_temporality.host import vault_bandwidth
from nova_temporality.vault import data
from nova_temporality.vault import place
from nova_temporality import vpm

_NOT_MEASURED = ('nobody has measured how fast its disk is: run "temporality '
                 'vault measure"')
_NOT_COMPARED = ('an earlier release has measured its disk: run "temporality '
                 'vault measure" again')


# Of memory that is bounded, so much is to have room before more servers come:
# with less, guests would be slowed all the time.
_LEAST = 0.11


class Look(NamedTuple):
    """What a look at the vault's disk has found.

    :ivar measured: its bandwidth, if that is known
    :ivar problem: why nobody can rely on it, in words, or None
    :ivar size: bytes of its file system, if that is known
    """

    measured: vault_bandwidth.Bandwidth | None
    problem: str | None
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class Bounded:
    """What keeps memory of running servers from waiting to be written.

    :ivar left: bytes of memory that are not in the vault, by names of servers
                of which it is known, and that can be slowed
    :ivar counted: why the memory of other running servers counts as a whole,
                   by their names
    """

    left: abc.Mapping[str, int] = dataclasses.field(default_factory=dict)
    counted: abc.Mapping[str, str] = dataclasses.field(default_factory=dict)


class Sizes(NamedTuple):
    """Bytes that are in a pool.

    :ivar all: memory, page tables and states of all servers
    :ivar bounded: of that, memory of servers that are bounded
    :ivar left: of these, what is not in the vault
    """

    all: int
    bounded: int
    left: int

    @property
    def to_write(self) -> int:
        """What a power failure would write."""
        return self.all - self.bounded + self.left


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What a power failure would write, and what that would take.

    :ivar path: of the vault
    :ivar hold_up: [temporality] vault_hold_up, seconds
    :ivar bytes: that would be written
    :ivar mib_per_s: bandwidth of its disk; None if it was not measured
    :ivar disk_size: bytes of the vault's file system; None if it is not there
    :ivar measured_at: when that was measured, ISO 8601
    :ivar predicted: seconds for them, and for comparing the rest; None if
                     nobody can tell
    :ivar problem: why nobody can tell, in words; None if that does not matter
    :ivar fits: whether the energy lasts; also if nobody relies on it
    :ivar bounded: bytes of memory of which only a part has to be written
    :ivar room: bytes that this part may have; None if nobody can tell
    :ivar left: that is left, by names of servers that are bounded
    :ivar counted: why the memory of running servers counts as a whole, by name
    """

    path: str
    hold_up: int
    bytes: int
    mib_per_s: float | None
    disk_size: int | None
    measured_at: str | None
    predicted: float | None
    problem: str | None
    fits: bool
    bounded: int = 0
    room: int | None = None
    left: abc.Mapping[str, int] = dataclasses.field(default_factory=dict)
    counted: abc.Mapping[str, str] = dataclasses.field(default_factory=dict)


def sizes(pool: vpm.Pool, bounded: Bounded = Bounded()) -> Sizes:
    """Tell what is in a pool.

    What is allocated counts, whatever of that is all zero now: servers may
    fill it at any time.
    """
    found = Sizes(0, 0, 0)
    for region in pool.regions():
        by_part = _allocated(region)
        memory = by_part.get('ram', 0)
        left = bounded.left.get(region.name)
        found = Sizes(
            found.all + sum(by_part.values()),
            found.bounded + (memory if left is not None else 0),
            found.left + min(memory, left or 0))
    return found


def _allocated(region: vpm.RegionInfo) -> dict[str, int]:
    found: dict[str, int] = {}
    # It may be freed at any moment.
    with contextlib.suppress(FileNotFoundError):
        for part in data.parts(region):
            status = os.lstat(os.path.join(region.directory, part.name))
            found[part.name] = min(part.size, blocks.allocated(status))
    return found


def make(pool: vpm.Pool, hold_up: int, more: int = 0, memory: int = 0,
         bounded: Bounded = Bounded()) -> Forecast:
    """Make the forecast of a pool with more servers; reads the vault's disk.

    :param hold_up: [temporality] vault_hold_up, seconds
    :param more: bytes that are to come
    :param memory: of these, memory of servers that will be bounded where
                   others are; there has to be some room for it
    :param bounded: what need not be written as a whole
    """
    info = pool.info()
    found = sizes(pool, bounded)
    if not found.bounded:
        memory = 0
    found = Sizes(found.all + more, found.bounded + memory, max(
        found.left, round((found.bounded + memory) * _LEAST) if memory else 0))
    return of(info.vault, hold_up, found, look(info), bounded)


def look(info: vpm.PoolInfo) -> Look:
    """Look at the vault's disk, which may not answer."""
    try:
        place.check_pool(info.vault, info.uuid)
        disk = os.statvfs(info.vault)
    except (OSError, place.VaultError) as e:
        return Look(None, str(e))
    measured = vault_bandwidth.read(info.vault)
    return Look(measured, None if measured else _NOT_MEASURED,
                disk.f_blocks * disk.f_frsize)


def of(path: str, hold_up: int, size: Sizes, found: Look,
       bounded: Bounded = Bounded()) -> Forecast:
    """Make a forecast of what is known.

    :param bounded: of which the sizes are
    """
    measured, problem, disk_size = found
    left, counted = dict(bounded.left), dict(bounded.counted)
    predicted = None
    if measured:
        compared = measured.compared_mib_per_s
        if compared is None and size.bounded:
            # Nobody knows how long it takes to find out what is there.
            size = size._replace(bounded=0, left=0)
            counted |= dict.fromkeys(left, _NOT_COMPARED)
            left = {}
        predicted = round(_seconds(size.to_write, measured.mib_per_s) + (
            _seconds(size.all - size.to_write, compared) if compared else 0),
            3)
    if not hold_up:
        problem = None
    return Forecast(
        path, hold_up, size.to_write,
        measured.mib_per_s if measured else None, disk_size,
        measured.measured_at if measured else None, predicted, problem,
        not hold_up or (predicted is not None and problem is None and
                        predicted <= hold_up),
        size.bounded, room(hold_up, size, measured), left, counted)


def room(hold_up: int, size: Sizes,
         measured: vault_bandwidth.Bandwidth | None) -> int | None:
    """Return how many bytes of bounded memory may be left.

    All memory is compared with what the vault has, and what is left is
    written. The rest is written in any case.

    :param hold_up: seconds
    :returns: None if nobody can tell
    """
    if measured is None or measured.compared_mib_per_s is None:
        return None
    spare = hold_up - _seconds(
        size.all - size.bounded, measured.mib_per_s) - _seconds(
            size.bounded, measured.compared_mib_per_s)
    # Who writes compares, too.
    each = (1 / measured.mib_per_s - 1 / measured.compared_mib_per_s) / (
        1 << 20)
    if spare < 0:
        return 0
    return size.bounded if each <= 0 else min(size.bounded, int(spare / each))


def _seconds(size: int, mib_per_s: float) -> float:
    return size / (mib_per_s * (1 << 20))
