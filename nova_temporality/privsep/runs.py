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

"""Who may let a pVM's vCPUs run, on the privileged side (privsep).

:mod:`nova_temporality.vpm.runlock` says why that needs a lock.
"""

from collections import abc
import contextlib
import dataclasses
import fcntl
import os
import shutil
import threading
from typing import Any

from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality.notifier.pvm import conditions
from nova_temporality import privsep
from nova_temporality.privsep import cpus
from nova_temporality.privsep import plain
from nova_temporality.qemu import incoming
from nova_temporality.qemu import nbd
from nova_temporality.qemu import qmp
from nova_temporality.qemu import remote_disks
from nova_temporality.snapshot import loading
from nova_temporality import vpm
from nova_temporality.vpm import engine
from nova_temporality.vpm import lease
from nova_temporality.vpm import runlock

# Seconds to wait until the notifier or another start lets go of a pVM.
_LOCK_TIMEOUT = 10

# What a run lock is held for: vCPUs are started, or the pVM is disarmed.
_RUN = 'run'
_MOVE = 'move'


@dataclasses.dataclass
class _Held:
    """A run lock that is held for nova-compute, until no purpose is left."""

    lock: runlock.RunLock
    purposes: set[str]


# Locks that nova-compute holds by means of this process, by the pVM's name.
# When nova-compute dies, this process ends, and the kernel drops the locks.
_held: dict[str, _Held] = {}
_held_guard = threading.Lock()


class PagerMissing(lease.RegionError):
    """A paged server's QEMU has no pager."""


class LoadUnfinished(lease.RegionError):
    """Loading a snapshot into a pVM was cut off, so it must not run."""


@dataclasses.dataclass(frozen=True)
class Suspension:
    """How the notifier suspended a pVM.

    :ivar fixated_ms: milliseconds from the request to the proven state
    """

    fixated_ms: float


@privsep.entrypoint
def prepare_boot(pool_path: str, run_dir: str, name: str, gid: int,
                 number: int, cells: bytes | None = None) -> None:
    """Make a region ready for a cold boot: no memory, no state, no socket.

    :param gid: group id that QEMU runs under
    :param number: the pVM's priority
    :param cells: table of its NUMA cells, if it has several
    """
    _refuse_if_loading(pool_path, name)
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        lease.refuse_if_in_use(region)
        if region.epoch:
            pool.scrub(region.id)
    notes.set_recovering(run_dir, name, False)
    notes.set_pending(run_dir, name, None)
    notes.forget_accepted_disks(run_dir, name)
    end_move(run_dir, name)
    _make_qmp_dir(run_dir, region, gid, cells)
    notes.write_priority(run_dir, name, number)


@privsep.entrypoint
def prepare_recovery(pool_path: str, run_dir: str, name: str, gid: int,
                     number: int, cells: bytes | None = None) -> None:
    """Make a region ready for a QEMU that will load its state.

    :param gid: group id that QEMU runs under
    :param number: the pVM's priority
    :param cells: table of its NUMA cells, if it has several
    """
    _refuse_if_loading(pool_path, name)
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
    lease.refuse_if_in_use(region)
    _make_qmp_dir(run_dir, region, gid, cells)
    notes.write_priority(run_dir, name, number)
    end_move(run_dir, name)
    notes.set_recovering(run_dir, name, True)


def _make_qmp_dir(run_dir: str, region: vpm.RegionInfo, gid: int,
                  cells: bytes | None) -> None:
    path = paths.qmp_dir(run_dir, region.name)
    os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o700)
    if cells is not None:
        table = paths.cells_table(run_dir, region.name)
        with open(table, 'wb') as stream:
            stream.write(cells)
        # QEMU only reads it, whoever it runs as.
        os.chmod(table, 0o444)
    if region.uid:
        os.chown(path, region.uid, gid)


@privsep.entrypoint
def finish_recovery(run_dir: str, name: str) -> None:
    """Note that a recovery ended, successfully or not."""
    notes.set_recovering(run_dir, name, False)


@privsep.entrypoint
def is_recovering(run_dir: str, name: str) -> bool:
    """Whether a recovery began since the host booted and did not end."""
    return notes.is_recovering(run_dir, name)


@privsep.entrypoint
def set_pending(run_dir: str, name: str, why: str | None) -> None:
    """Note for the notifier that a pVM is still to be recovered, or is not.

    :param why: see :func:`nova_temporality.host.notes.set_pending`
    """
    notes.set_pending(run_dir, name, why)


@privsep.entrypoint
def take_recovery_request(run_dir: str, name: str) -> None:
    """Note that an operator's request to recover a pVM is being met."""
    notes.remove_recovery_request(run_dir, name)


@privsep.entrypoint
def forget_accepted_disks(run_dir: str, name: str) -> None:
    """Note that what an operator said of a pVM's disks was for the past."""
    notes.forget_accepted_disks(run_dir, name)


def load(pool_path: str, run_dir: str, name: str,
         timeout: float) -> vpm.StateInfo:
    """Load a pVM's state into the QEMU that waits for it; return what it is.

    :param timeout: seconds
    :raises incoming.RecoveryError: QEMU did not take it
    """
    return plain.state_info(_load(pool_path, run_dir, name, timeout))


@privsep.entrypoint
def _load(pool_path: str, run_dir: str, name: str,
          timeout: float) -> dict[str, Any]:
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        try:
            connection = qmp.QmpClient(paths.recover_socket(run_dir, name),
                                       timeout)
        except qmp.QmpError as exc:
            raise incoming.RecoveryError(str(exc))
        with contextlib.closing(connection):
            cpus.check(connection, pool, region, timeout)
            info = incoming.load_state(connection, pool, region, timeout)
    return plain.of(info)


def compare_remote_disks(pool_path: str, run_dir: str, name: str,
                         timeout: float) -> list[str]:
    """Compare what only a pVM's QEMU can reach with what was noted of it.

    :param timeout: seconds
    :returns: what is not as it was, in words
    :raises incoming.RecoveryError: QEMU or its storage do not answer
    """
    # A list is a tuple when it comes from there.
    return list(_compare_remote_disks(pool_path, run_dir, name, timeout))


@privsep.entrypoint
def _compare_remote_disks(pool_path: str, run_dir: str, name: str,
                          timeout: float) -> list[str]:
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        epoch = pool.verify_state(region.id).epoch
    try:
        connection = qmp.QmpClient(paths.recover_socket(run_dir, name),
                                   timeout)
        with contextlib.closing(connection):
            return remote_disks.compare(connection, pool_path, region, epoch,
                                        timeout)
    except (qmp.QmpError, nbd.NbdTimeout, OSError, KeyError, TypeError,
            AttributeError) as exc:
        raise incoming.RecoveryError(
            'what its remote disks hold cannot be compared: %s: %s' %
            (type(exc).__name__, exc))


def suspend(run_dir: str, name: str) -> Suspension:
    """Have the notifier fixate a pVM and end its QEMU.

    :raises client.NotifierSilent: nobody can tell whether it is suspended
    :raises client.NotifierError: it is not
    """
    return Suspension(_suspend(run_dir, name)['fixated_ms'])


@privsep.entrypoint
def _suspend(run_dir: str, name: str) -> dict[str, Any]:
    # A QEMU with much memory takes long to end.
    return client.call(run_dir, 'suspend', timeout=None, name=name)


@contextlib.contextmanager
def kept_still(pool_path: str, name: str) -> abc.Iterator[None]:
    """The context in which nobody else starts a pVM's vCPUs, or fixates it.

    Its state stays as it is.

    :raises runlock.RunLockTimeout: it is fixated, or being started
    """
    _begin_run(pool_path, name)
    try:
        yield
    finally:
        _end_run(name)


@contextlib.contextmanager
def allowed_to_run(
        pool_path: str, name: str,
        confirm: abc.Callable[[], object] | None = None) -> abc.Iterator[None]:
    """The context in which a pVM's vCPUs may be started.

    On entry any state is durably stale. Until the exit the notifier does not
    fixate the pVM, see :mod:`nova_temporality.vpm.runlock`.

    :param confirm: asked under the run lock, before the state becomes stale;
                    what it raises leaves the state as it is
    """
    with kept_still(pool_path, name):
        if confirm:
            confirm()
        discard_state(pool_path, name)
        yield


@privsep.entrypoint
def _begin_run(pool_path: str, name: str) -> None:
    _take_run_lock(pool_path, name, _RUN)


@privsep.entrypoint
def discard_state(pool_path: str, name: str) -> None:
    """Make any state stale, because it shall never be resumed."""
    with vpm.Pool(pool_path) as pool, contextlib.suppress(vpm.NotFound):
        pool.begin_epoch(pool.lookup(name).id)


@privsep.entrypoint
def _end_run(name: str) -> None:
    _drop_run_lock(name, _RUN)


@privsep.entrypoint
def begin_move(pool_path: str, run_dir: str, name: str,
               why: str = notes.MOVES) -> None:
    """Keep a pVM from being fixated here, e.g. while it is migrated live.

    It may run on the other host at any moment, so no state of it may become
    proven here until :func:`end_move`. On return any earlier state is durably
    stale. The run lock stops the engine at once. The note stops the notifier,
    also if nova-compute dies and the lock is gone, and the pVM is disarmed.

    :param why: see :func:`nova_temporality.host.notes.set_moving`
    :raises runlock.RunLockTimeout: it is fixated, or nobody can disarm it
    """
    _take_run_lock(pool_path, name, _MOVE)
    try:
        discard_state(pool_path, name)
        before = notes.why_moving(run_dir, name)
        notes.set_moving(run_dir, name, why)
        try:
            _disarm(pool_path, run_dir, name)
        except BaseException:
            notes.set_moving(run_dir, name, before)
            raise
    except BaseException:
        _drop_run_lock(name, _MOVE)
        raise


def _disarm(pool_path: str, run_dir: str, name: str) -> None:
    """Have a pVM disarmed whose note says that it must not be armed."""
    with contextlib.suppress(client.NotifierError):
        pvms = client.call(run_dir, 'refresh')['pvms']
        if (name, conditions.ARMED) not in {
                (pvm['name'], pvm['state']) for pvm in pvms}:
            return
    # The engine keeps armed what a notifier has armed that does not run, or
    # that hangs.
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
    try:
        engine.disarm(run_dir, region)
    except vpm.VpmError as exc:
        raise runlock.RunLockTimeout(
            '%s may be fixated at any moment: %s' % (name, exc))


@privsep.entrypoint
def end_move(run_dir: str, name: str) -> None:
    """End what begin_move() began; harmless if nothing did."""
    notes.set_moving(run_dir, name, None)
    _drop_run_lock(name, _MOVE)


def _take_run_lock(pool_path: str, name: str, purpose: str) -> None:
    with _held_guard:
        held = _held.get(name)
        if held:
            held.purposes.add(purpose)
            return
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
        lock = runlock.RunLock(region)
        try:
            lock.acquire(_LOCK_TIMEOUT)
            _refuse_if_loading(pool_path, name)
        except BaseException:
            lock.close()
            raise
    with _held_guard:
        _held[name] = _Held(lock, {purpose})


def _drop_run_lock(name: str, purpose: str) -> None:
    with _held_guard:
        held = _held.get(name)
        if held is None:
            return
        held.purposes.discard(purpose)
        if held.purposes:
            return
        del _held[name]
    held.lock.close()


@privsep.entrypoint
def check_pager(pool_path: str, name: str) -> None:
    """Make sure that a pager serves a paged region, before vCPUs run.

    A security policy may remove LD_PRELOAD from QEMU's environment. QEMU would
    then run without a pager, on space that is not reserved.

    :raises PagerMissing: there is none
    """
    with vpm.Pool(pool_path) as pool:
        region = pool.lookup(name)
    if not region.is_vpm:
        return
    path = os.path.join(region.directory, 'ppt')
    # It belongs to the server's user id, whose lease could have us wait.
    with open(path, 'rb', opener=_without_waiting) as page_table:
        try:
            fcntl.flock(page_table, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    raise PagerMissing(
        '%s has less NVRAM than memory, but its QEMU has no pager. Find out '
        'what removes LD_PRELOAD from its environment (AppArmor or '
        'SELinux?), or keeps QEMU from reading [temporality] preload_path' %
        name)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_if_loading(pool_path: str, name: str) -> None:
    if loading.unfinished(pool_path, name):
        raise LoadUnfinished(
            'a snapshot was not loaded to the end into %s, whose memory and '
            'disks belong to different instants now: repeat "temporality '
            'snapshot load", or rebuild the server' % name)
