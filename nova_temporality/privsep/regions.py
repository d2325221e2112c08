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

"""What nova-compute does with regions, on the privileged side (privsep).

Every function opens the pool anew, so that nova-compute never holds on to a
pool that was unmounted. Failures are those of :mod:`nova_temporality.vpm`.

Only plain data goes over privsep's socket. So what returns more than that has
two parts: an entry point that returns plain data, and a function that makes a
dataclass of them on the other side.
"""

import contextlib
import dataclasses
import fcntl
import os
import shutil
import threading
from typing import Any
import uuid

from oslo_log import log as logging

from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality.privsep import pool_pctxt
from nova_temporality.qemu import incoming
from nova_temporality.qemu import qmp
from nova_temporality.snapshot import loading
from nova_temporality import vpm
from nova_temporality.vpm import lease
from nova_temporality.vpm import runlock

LOG = logging.getLogger(__name__)

# Seconds to wait until the notifier or another start lets go of a pVM.
_LOCK_TIMEOUT = 10


class PagerMissing(lease.RegionError):
    """A QEMU has a paged region for memory, but no pager."""


class LoadUnfinished(lease.RegionError):
    """A pVM is a mixture of what it was and what a snapshot has."""


# Locks that nova-compute holds through us, by the pVM's name. When it dies,
# this process ends and the kernel drops them.
_held = {}
_held_guard = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Suspension:
    """What the notifier tells of a pVM that it has suspended.

    :ivar fixated_ms: milliseconds until its state was proven
    """

    fixated_ms: float


def pool_info(pool_path: str) -> vpm.PoolInfo:
    """Tell the pool's properties."""
    plain = _pool_info(pool_path)
    return vpm.PoolInfo(**dict(plain, uuid=uuid.UUID(plain['uuid'])))


@pool_pctxt.entrypoint
def _pool_info(pool_path: str) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        info = pool.info()
    return dict(dataclasses.asdict(info), uuid=str(info.uuid))


@pool_pctxt.entrypoint
def names(pool_path):
    """Names of the pVMs that have a region, i.e. UUIDs of servers."""
    with vpm.Pool(pool_path) as pool:
        return [region.name for region in pool.regions()]


def ensure(pool_path: str, name: str, size: int, nvram_size: int,
           swap_dir: str, page_size: int, policy: str) -> vpm.RegionInfo:
    """Allocate a pVM's region unless it is there.

    One of another size is of a resize that was cut off, and given back. That
    does not happen to one that a QEMU has open.

    :param size: bytes of memory
    :param nvram_size: bytes of NVRAM; if less, the region is paged and what
                       follows counts
    :param swap_dir: directory of its swap file
    :param page_size: bytes; 0 to have it chosen
    :param policy: a key of vpm.POLICIES
    :raises lease.RegionInUse: it is there with another size, and in use
    """
    return vpm.RegionInfo(**_ensure(pool_path, name, size, nvram_size,
                                    swap_dir, page_size, policy))


@pool_pctxt.entrypoint
def _ensure(pool_path: str, name: str, size: int, nvram_size: int,
            swap_dir: str, page_size: int, policy: str) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        region = _lookup(pool, name)
        if region and region.memory_size != size:
            lease.refuse_if_in_use(region)
            pool.free(name)
            region = None
        if region is None and nvram_size < size:
            region = pool.alloc_vpm(name, size, nvram_size, swap_dir,
                                    page_size=page_size, policy=policy)
            LOG.info('pVM %s has %d bytes of memory in %d bytes of NVRAM, in '
                     'pages of %d bytes, policy %s', name,
                     region.virtual_size, region.size, region.page_size,
                     region.policy)
        elif region is None:
            region = pool.alloc(name, size)
    return dataclasses.asdict(region)


def lookup(pool_path: str, name: str) -> vpm.RegionInfo:
    """Find a pVM's region.

    :raises vpm.NotFound: there is none
    """
    return vpm.RegionInfo(**_plain_region(pool_path, name))


@pool_pctxt.entrypoint
def _plain_region(pool_path: str, name: str) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        return dataclasses.asdict(pool.lookup(name))


def _lookup(pool, name):
    try:
        return pool.lookup(name)
    except vpm.NotFound:
        return None


@pool_pctxt.entrypoint
def free(pool_path, run_dir, name):
    """Scrub and free a pVM's region and what lies in run_dir for it."""
    with vpm.Pool(pool_path) as pool:
        try:
            pool.free(name)
        except vpm.NotFound:
            # An earlier attempt got that far.
            pass
    shutil.rmtree(paths.qmp_dir(run_dir, name), ignore_errors=True)
    notes.remove_priority(run_dir, name)
    loading.forget(pool_path, name)
    notes.set_recovering(run_dir, name, False)
    _end_move(run_dir, name)


@pool_pctxt.entrypoint
def reclaim(pool_path, run_dir, name):
    """Free the region of a pVM that is gone, unless somebody has it open.

    :raises lease.RegionInUse:
    """
    with vpm.Pool(pool_path) as pool:
        lease.refuse_if_in_use(pool.lookup(name))
    free(pool_path, run_dir, name)


@pool_pctxt.entrypoint
def prepare_boot(pool_path, run_dir, name, gid, number):
    """Make a region ready for a cold boot: no memory, no state, no socket.

    :param number: the pVM's priority
    """
    _refuse_if_loading(pool_path, name)
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        lease.refuse_if_in_use(region)
        if region.epoch:
            pool.scrub(region.id)
    notes.set_recovering(run_dir, name, False)
    _end_move(run_dir, name)
    _make_qmp_dir(run_dir, region, gid)
    notes.write_priority(run_dir, name, number)


@pool_pctxt.entrypoint
def prepare_recovery(pool_path, run_dir, name, gid, number):
    """Make ready for a QEMU that will load the region's state.

    :param number: the pVM's priority
    """
    _refuse_if_loading(pool_path, name)
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
    lease.refuse_if_in_use(region)
    _make_qmp_dir(run_dir, region, gid)
    notes.write_priority(run_dir, name, number)
    _end_move(run_dir, name)
    notes.set_recovering(run_dir, name, True)


@pool_pctxt.entrypoint
def finish_recovery(run_dir, name):
    """The recovery ended, one way or the other."""
    notes.set_recovering(run_dir, name, False)


@pool_pctxt.entrypoint
def is_recovering(run_dir, name):
    """Whether a recovery began since the host booted and did not end."""
    return notes.is_recovering(run_dir, name)


def proven_state(pool_path: str, name: str) -> vpm.StateInfo:
    """Prove a region's state.

    :raises vpm.Unproven: there is none; the message says why
    :raises vpm.NotFound: there is no region
    """
    return _state_info(_proven_state(pool_path, name))


def _state_info(plain: dict[str, Any]) -> vpm.StateInfo:
    return vpm.StateInfo(
        **dict(plain, meta=vpm.FixationMeta(**plain['meta'])))


@pool_pctxt.entrypoint
def _proven_state(pool_path: str, name: str) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        info = pool.verify_state(pool.lookup(name).id)
    return dataclasses.asdict(info)


@pool_pctxt.entrypoint
def lost_memory(pool_path, name):
    """Why the pager ended a pVM's latest QEMU, in words; None if it did not.

    A pVM without a region has lost nothing.
    """
    with vpm.Pool(pool_path) as pool:
        try:
            stats = pool.stats(pool.lookup(name).id)
        except vpm.NotFound:
            return None
    return stats.error if stats.fatal else None


def suspend(run_dir: str, name: str) -> Suspension:
    """Have the notifier fixate a pVM and end its QEMU.

    :raises client.NotifierError: it is not suspended, or nobody can tell
    """
    return Suspension(_suspend(run_dir, name)['fixated_ms'])


@pool_pctxt.entrypoint
def _suspend(run_dir: str, name: str) -> dict[str, Any]:
    return client.call(run_dir, 'suspend', name=name)


def load(pool_path: str, run_dir: str, name: str,
         timeout: float) -> vpm.StateInfo:
    """Load a pVM's state into the QEMU that waits for it; return what it is.

    :param timeout: seconds
    :raises incoming.RecoveryError: QEMU did not take it
    """
    return _state_info(_load(pool_path, run_dir, name, timeout))


@pool_pctxt.entrypoint
def _load(pool_path: str, run_dir: str, name: str,
          timeout: float) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        try:
            client = qmp.QmpClient(paths.recover_socket(run_dir, name),
                                   timeout)
        except qmp.QmpError as exc:
            raise incoming.RecoveryError(str(exc))
        with contextlib.closing(client):
            info = incoming.load_state(client, pool, region, timeout)
    return dataclasses.asdict(info)


@pool_pctxt.entrypoint
def discard_state(pool_path, name):
    """Make any state stale, because it shall never be resumed."""
    with vpm.Pool(pool_path) as pool, contextlib.suppress(vpm.NotFound):
        pool.begin_epoch(pool.lookup(name).id)


@contextlib.contextmanager
def allowed_to_run(pool_path, name):
    """The context in which a pVM's vCPUs may be started.

    On entry any state is durably stale. The notifier does not fixate the
    pVM in between, see :mod:`nova_temporality.vpm.runlock`.
    """
    _begin_run(pool_path, name)
    try:
        yield
    finally:
        _end_run(name)


@pool_pctxt.entrypoint
def _begin_run(pool_path, name):
    _take_run_lock(pool_path, name)


@pool_pctxt.entrypoint
def begin_move(pool_path, run_dir, name):
    """Keep a pVM that comes or goes, live, from being fixated here.

    Another host has, or will have, a part in its memory or runs it, so no
    state of it is to be proven here until :func:`end_move`. Any earlier one
    is durably stale on return. The run lock keeps the engine off at once, and
    the note the notifier, should nova-compute die.

    :raises runlock.RunLockTimeout: it is fixated
    """
    _take_run_lock(pool_path, name)
    notes.set_moving(run_dir, name, True)
    # It disarms the pVM; one that is not there has armed nobody.
    with contextlib.suppress(client.NotifierError):
        client.call(run_dir, 'refresh')


@pool_pctxt.entrypoint
def end_move(run_dir, name):
    """The end of what begin_move() began; harmless if nothing did."""
    _end_move(run_dir, name)


def _end_move(run_dir, name):
    notes.set_moving(run_dir, name, False)
    _drop_run_lock(name)


def _take_run_lock(pool_path, name):
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        lock = runlock.RunLock(region)
        lock.acquire(_LOCK_TIMEOUT)
        try:
            _refuse_if_loading(pool_path, name)
            pool.begin_epoch(region.id)
        except BaseException:
            lock.close()
            raise
    with _held_guard:
        _held[name] = lock


@pool_pctxt.entrypoint
def _end_run(name):
    _drop_run_lock(name)


def _drop_run_lock(name):
    with _held_guard:
        lock = _held.pop(name, None)
    if lock:
        lock.close()


@pool_pctxt.entrypoint
def check_pager(pool_path, name):
    """Make sure that a pager serves a paged region, before vCPUs run.

    A security policy may keep LD_PRELOAD from QEMU, which would then run on
    space that nobody reserved.

    :raises PagerMissing: nobody does
    """
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
    if not region.is_vpm:
        return
    path = os.path.join(region.directory, 'ppt')
    with open(path, 'rb') as page_table:
        try:
            fcntl.flock(page_table, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    raise PagerMissing(
        'no pager works for %s, though it has less NVRAM than memory; find '
        'out what keeps LD_PRELOAD=%s from its QEMU (AppArmor, SELinux?)' %
        (name, vpm.PRELOAD_PATH))


def _refuse_if_loading(pool_path, name):
    if loading.unfinished(pool_path, name):
        raise LoadUnfinished(
            'a snapshot was not loaded to the end into %s, whose memory and '
            'disks belong to different instants now: repeat "temporality '
            'snapshot load", or rebuild the server' % name)


def _make_qmp_dir(run_dir, region, gid):
    path = paths.qmp_dir(run_dir, region.name)
    os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o700)
    if region.uid:
        os.chown(path, region.uid, gid)
