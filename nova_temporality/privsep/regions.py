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

"""Regions: allocated, freed and looked up, on the privileged side (privsep).

Every function opens the pool anew, so that nova-compute does not keep a pool
that was unmounted. Failures are those of :mod:`nova_temporality.vpm`.
"""

from collections import abc
import dataclasses
import os
import shutil
import time
from typing import Any

from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_temporality.host import budget
from nova_temporality.host import cpu_notes
from nova_temporality.host import disk_notes
from nova_temporality.host import disk_reach
from nova_temporality.host import large_pages
from nova_temporality.host import notes
from nova_temporality.host import nvdimm_notes
from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality import privsep
from nova_temporality.privsep import looking
from nova_temporality.privsep import plain
from nova_temporality.privsep import runs
from nova_temporality.snapshot import loading
from nova_temporality.vault import forecast
from nova_temporality import vpm
from nova_temporality.vpm import lease

LOG = logging.getLogger(__name__)

# Seconds between two questions whether storage has answered.
_POLL = 0.5
# Seconds that the notifier has for an answer.
_PATIENCE = 2.0


class StorageSilent(lease.RegionError):
    """Storage does not answer."""


def pool_info(pool_path: str) -> vpm.PoolInfo:
    """Tell the pool's properties."""
    return plain.pool_info(_pool_info(pool_path))


def large_pages_problem(pool_path: str) -> str | None:
    """Say why the pool gives no pages of 2 MiB; see host.large_pages."""
    return large_pages.problem(pool_path, pool_info(pool_path).medium)


@privsep.entrypoint
def _pool_info(pool_path: str) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        return plain.of(pool.info())


@privsep.entrypoint
def names(pool_path: str) -> list[str]:
    """Names of the pVMs that have a region, i.e. UUIDs of servers."""
    with vpm.Pool(pool_path) as pool:
        return [region.name for region in pool.regions()]


@privsep.entrypoint
def memory_sizes(pool_path: str) -> dict[str, int]:
    """Bytes of memory of the pVMs that have a region, by name."""
    with vpm.Pool(pool_path) as pool:
        return {region.name: region.memory_size for region in pool.regions()}


class NoLargePages(lease.RegionError):
    """Memory cannot be had in pages of 2 MiB."""


class NoSwapDirectory(lease.RegionError):
    """There is no place for the swap files of paged servers."""


def ensure(pool_path: str, name: str, size: int, nvram_size: int,
           swap_dir: str, page_size: int, policy: str,
           in_large_pages: bool = False) -> vpm.RegionInfo:
    """Allocate a pVM's region unless it is there.

    A region of another size is left over from a resize that was cut off. It is
    freed first, unless a QEMU has it open.

    :param size: bytes of memory
    :param nvram_size: bytes of NVRAM; if less, the region is paged and what
                       follows counts
    :param swap_dir: directory of its swap file
    :param page_size: bytes; 0 to have it chosen
    :param policy: a key of vpm.POLICIES
    :param in_large_pages: whether a new one has to be mapped in pages of
                           2 MiB; one that is there stays as it is
    :raises lease.RegionInUse: it is there with another size, and in use
    :raises NoLargePages: they cannot be had; there is no region
    :raises NoSwapDirectory: it is not there, and no region either
    """
    return plain.region_info(_ensure(
        pool_path, name, size, nvram_size, swap_dir, page_size, policy,
        in_large_pages))


@privsep.entrypoint
def _ensure(pool_path: str, name: str, size: int, nvram_size: int,
            swap_dir: str, page_size: int, policy: str,
            in_large_pages: bool) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        region = _lookup(pool, name)
        if region and region.memory_size != size:
            lease.refuse_if_in_use(region)
            pool.free(name)
            region = None
        if region is None and nvram_size < size:
            if not os.path.isdir(swap_dir):
                raise NoSwapDirectory(
                    'no paged servers on this host: %s ([temporality] '
                    'swap_dir) is not there; make it (install -d -m 0711), on '
                    'a disk' % swap_dir)
            region = pool.alloc_vpm(name, size, nvram_size, swap_dir,
                                    page_size=page_size, policy=policy)
            LOG.info('pVM %s has %d bytes of memory in %d bytes of NVRAM, in '
                     'pages of %d bytes, policy %s', name,
                     region.virtual_size, region.size, region.page_size,
                     region.policy)
        elif region is None and in_large_pages:
            region = _alloc_in_large_pages(pool, name, size)
        elif region is None:
            region = pool.alloc(name, size)
    return plain.of(region)


def _alloc_in_large_pages(pool: vpm.Pool, name: str,
                          size: int) -> vpm.RegionInfo:
    problem = large_pages.problem(pool.path, pool.info().medium)
    if problem:
        raise NoLargePages('no pages of 2 MiB on this host: %s' % problem)
    region = pool.alloc(name, size)
    try:
        if large_pages.are_given(region.ram_path, region.size):
            return region
    except BaseException:
        pool.free(name)
        raise
    pool.free(name)
    raise NoLargePages('not enough pages of 2 MiB on this host: its NVRAM is '
                       'fragmented; use another host, or a flavor without '
                       'hw:mem_page_size')


def lookup(pool_path: str, name: str) -> vpm.RegionInfo:
    """Find a pVM's region.

    :raises vpm.NotFound: there is none
    """
    return plain.region_info(_plain_region(pool_path, name))


@privsep.entrypoint
def _plain_region(pool_path: str, name: str) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        return plain.of(pool.lookup(name))


def _lookup(pool: vpm.Pool, name: str) -> vpm.RegionInfo | None:
    try:
        return pool.lookup(name)
    except vpm.NotFound:
        return None


@privsep.entrypoint
def free(pool_path: str, run_dir: str, name: str) -> None:
    """Scrub and free a pVM's region and what lies in run_dir for it.

    :raises lease.RegionInUse: somebody has its memory open; nothing was done
    """
    with vpm.Pool(pool_path) as pool:
        try:
            lease.refuse_if_in_use(pool.lookup(name))
            pool.free(name)
        except vpm.NotFound:
            # An earlier attempt got that far.
            pass
    shutil.rmtree(paths.qmp_dir(run_dir, name), ignore_errors=True)
    notes.remove_priority(run_dir, name)
    notes.forget_accepted_disks(run_dir, name)
    disk_notes.forget(pool_path, name)
    nvdimm_notes.forget(pool_path, name)
    cpu_notes.forget(pool_path, name)
    loading.forget(pool_path, name)
    notes.set_recovering(run_dir, name, False)
    notes.set_pending(run_dir, name, None)
    runs.end_move(run_dir, name)


@privsep.entrypoint
def reclaim(pool_path: str, run_dir: str, name: str) -> None:
    """Free the region of a pVM that is gone.

    :raises vpm.NotFound: there is none
    :raises lease.RegionInUse: somebody has its memory open
    """
    with vpm.Pool(pool_path) as pool:
        pool.lookup(name)
    free(pool_path, run_dir, name)


def proven_state(pool_path: str, name: str) -> vpm.StateInfo:
    """Prove a region's state.

    :raises vpm.Unproven: there is none; the message says why
    :raises vpm.NotFound: there is no region
    """
    return plain.state_info(_proven_state(pool_path, name))


@privsep.entrypoint
def _proven_state(pool_path: str, name: str) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        info = nvdimm_notes.proven_state(pool, pool.lookup(name))
    return plain.of(info)


def compare_disks(pool_path: str, name: str, disks: dict[str, str],
                  patience: float | None = None) -> disk_notes.Comparison:
    """Compare a pVM's disks with what they were when it was fixated.

    :param disks: see disk_notes.compare()
    :param patience: seconds after which storage counts as silent; None to
                     wait for ever
    :raises vpm.Unproven: it has no state that they could fit
    :raises StorageSilent: their storage does not answer
    """
    token = uuidutils.generate_uuid()
    deadline = None if patience is None else time.monotonic() + patience
    while True:
        found = _compare_disks(pool_path, name, disks, token)
        if found is not None:
            return disk_notes.Comparison(**found)
        if deadline is not None and time.monotonic() >= deadline:
            raise StorageSilent('the storage of its disks does not answer: '
                                '%s' % ', '.join(disks.values()))
        time.sleep(_POLL)


def touch_disks(name: str, paths: list[str], patience: float) -> None:
    """Wait until the storage of a pVM's disks answers.

    :param paths: see disk_reach.touch()
    :param patience: seconds after which it counts as silent
    :raises StorageSilent: it does not answer
    """
    token = uuidutils.generate_uuid()
    deadline = time.monotonic() + patience
    while not _touch_disks(name, paths, token):
        if time.monotonic() >= deadline:
            raise StorageSilent('the storage of its disks does not answer: '
                                '%s' % ', '.join(paths))
        time.sleep(_POLL)


@privsep.entrypoint
def _touch_disks(name: str, paths: list[str], token: str) -> bool:
    def touch() -> bool:
        disk_reach.touch(paths)
        return True

    return looking.poll(name, token, touch) is not None


@privsep.entrypoint
def _compare_disks(pool_path: str, name: str, disks: dict[str, str],
                   token: str) -> dict[str, Any] | None:
    def compare() -> dict[str, Any]:
        with vpm.Pool(pool_path) as pool:
            region = pool.lookup(name)
            return dataclasses.asdict(disk_notes.compare(
                pool_path, region, pool.verify_state(region.id), disks))

    found: dict[str, Any] | None = looking.poll(name, token, compare)
    return found


@privsep.entrypoint
def note_disks(pool_path: str, name: str, disks: list[str]) -> None:
    """Note what the disks of a pVM that has a proven state are.

    :param disks: paths of what it may write to
    :raises vpm.Unproven: it has none
    :raises OSError: a disk cannot be synced, or there is no room
    """
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        disk_notes.take(pool_path, region, pool.verify_state(region.id).epoch,
                        disks)


@privsep.entrypoint
def lost_memory(pool_path: str, name: str) -> str | None:
    """Say why the pager ended a pVM's latest QEMU; None if it did not.

    A pVM without a region has lost nothing.
    """
    with vpm.Pool(pool_path) as pool:
        try:
            stats = pool.stats(pool.lookup(name).id)
        except vpm.NotFound:
            return None
    return stats.error if stats.fatal else None


def forecast_vault(pool_path: str, run_dir: str, hold_up: int, name: str,
                   coming: abc.Mapping[str, int], is_watched: bool = False
                   ) -> forecast.Forecast | None:
    """Tell what writing this host's pVMs, and others, to the vault would take.

    :param run_dir: of the notifier, which knows what is written already
    :param hold_up: [temporality] vault_hold_up, seconds
    :param name: of one of the others, for whom this is asked
    :param coming: bytes of NVRAM of the others, by name
    :param is_watched: whether it is to be seen what this one writes
    :returns: None if it has a region already, or there is no vault
    """
    fields = _forecast_vault(pool_path, run_dir, hold_up, name, dict(coming),
                             is_watched)
    return forecast.Forecast(**fields) if fields else None


@privsep.entrypoint
def _forecast_vault(pool_path: str, run_dir: str, hold_up: int, name: str,
                    coming: dict[str, int], is_watched: bool
                    ) -> dict[str, Any] | None:
    with vpm.Pool(pool_path) as pool:
        info = pool.info()
        there = {region.name for region in pool.regions()}
        if name in there or not info.vault:
            return None
        more = sum(size + info.state_size for one, size in coming.items()
                   if one not in there)
        return dataclasses.asdict(forecast.make(
            pool, hold_up, more, coming.get(name, 0) if is_watched else 0,
            _bounded(run_dir)))


def _bounded(run_dir: str) -> forecast.Bounded:
    """What the notifier says of servers that are bounded; nothing without."""
    try:
        vault = client.call(run_dir, 'status', _PATIENCE)['vault']
    except client.NotifierError:
        vault = None
    return forecast.Bounded((vault or {}).get('left', {}))


def predict(pool_path: str, run_dir: str, name: str, number: int,
            coming: abc.Mapping[str, int]) -> tuple[bool, budget.Prediction]:
    """Tell what fixating this host's pVMs, and one more, would take.

    :param name: of that one
    :param number: its priority, unless it is there already
    :param coming: priorities of others that get their regions just now, by
                   name
    :returns: whether it has a region, and the prediction
    """
    known, fields = _predict(pool_path, run_dir, name, number, dict(coming))
    return known, budget.Prediction(**fields)


@privsep.entrypoint
def _predict(pool_path: str, run_dir: str, name: str, number: int,
             coming: dict[str, int]) -> tuple[bool, dict[str, Any]]:
    with vpm.Pool(pool_path) as pool:
        there = {region.name for region in pool.regions()}
    priorities = {one: notes.read_priority(run_dir, one) for one in there}
    for one, its in {**coming, name: number}.items():
        priorities.setdefault(one, its)
    return name in there, dataclasses.asdict(budget.predict(
        priorities, budget.load(pool_path), budget.cpus()))
