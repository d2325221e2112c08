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
class Forecast:
    """What a power failure would write, and what that would take.

    :ivar path: of the vault
    :ivar hold_up: [temporality] vault_hold_up, seconds
    :ivar bytes: that would be written
    :ivar mib_per_s: bandwidth of its disk; None if it was not measured
    :ivar disk_size: bytes of the vault's file system; None if it is not there
    :ivar measured_at: when that was measured, ISO 8601
    :ivar predicted: seconds for them; None if nobody can tell
    :ivar problem: why nobody can tell, in words; None if that does not matter
    :ivar fits: whether the energy lasts; also if nobody relies on it
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


def bytes_to_write(pool: vpm.Pool) -> int:
    """Bytes that a power failure would write to the vault now.

    What is allocated counts, whatever of that is all zero now: servers may
    fill it at any time.
    """
    return sum(_allocated(region) for region in pool.regions())


def _allocated(region: vpm.RegionInfo) -> int:
    found = 0
    # It may be freed at any moment.
    with contextlib.suppress(FileNotFoundError):
        for part in data.parts(region):
            status = os.lstat(os.path.join(region.directory, part.name))
            found += min(part.size, blocks.allocated(status))
    return found


def make(pool: vpm.Pool, hold_up: int, more: int = 0) -> Forecast:
    """Make the forecast of a pool that has a vault; reads the vault's disk.

    :param hold_up: [temporality] vault_hold_up, seconds
    :param more: bytes that are to come
    """
    info = pool.info()
    return of(info.vault, hold_up, bytes_to_write(pool) + more, look(info))


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


def of(path: str, hold_up: int, size: int, found: Look) -> Forecast:
    """Make a forecast of what is known.

    :param size: bytes that would be written
    """
    measured, problem, disk_size = found
    predicted = None
    if measured:
        predicted = round(size / (measured.mib_per_s * (1 << 20)), 3)
    if not hold_up:
        problem = None
    return Forecast(
        path, hold_up, size, measured.mib_per_s if measured else None,
        disk_size, measured.measured_at if measured else None, predicted,
        problem, not hold_up or (
            predicted is not None and problem is None and
            predicted <= hold_up))
