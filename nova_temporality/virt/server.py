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
"""One pVM of this host, as nova-compute works on it.

All that is done to a pVM's region, domain and record goes through here, so
that pool, run directory and name are put together in one place.
"""

from __future__ import annotations

from collections import abc
import contextlib
import functools
import grp
import threading

from nova.compute import power_state
from nova.compute import task_states
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import host as libvirt_host
from oslo_log import log as logging
from oslo_utils import units

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import disk_notes
from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.qemu import srat
from nova_temporality.spec import errors
from nova_temporality.spec import server_spec
from nova_temporality.virt import binding
from nova_temporality.virt import cells as numa_cells
from nova_temporality.virt import domain_record
from nova_temporality.virt import guest as pvm_guest
from nova_temporality.virt import page_sizes
from nova_temporality.virt.recovery import clock
from nova_temporality import vpm
from nova_temporality.vpm import runlock

CONF = conf.CONF

LOG = logging.getLogger(__name__)


def qemu_gid() -> int:
    """Group id that pVMs' QEMU processes run under.

    :raises InvalidConfiguration: there is no such group
    """
    try:
        return grp.getgrnam(CONF.temporality.qemu_group).gr_gid
    except KeyError:
        raise nova_exception.InvalidConfiguration(
            "There is no group '%s'; set [temporality] qemu_group to the "
            "group under which libvirt runs QEMU" %
            CONF.temporality.qemu_group)


class Guard:
    """What all :class:`PersistentServer` objects of one UUID share.

    :ivar lock: held by whoever starts, ends or changes the server's domain,
                or takes or gives back its region; re-entrant
    :ivar keeps_region: whether the holder of the lock destroys the domain
                        only to make it again
    :ivar ending: how many calls are ending its QEMU
    :ivar confirm: asked directly before it is booted, see RunGuest.resume()
    :ivar disarmed: why it must not be fixated; a live migration does not hold
                    the lock, so this has one of its own
    :ivar is_unrecorded: whether the record of its machine could not be written
    :ivar room_is_reserved: whether it is rebuilt here, so that it gives its
                            region back and takes it again
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.keeps_region = False
        self.room_is_reserved = False
        self.ending = 0
        self.confirm: abc.Callable[[], object] | None = None
        self.disarm_lock = threading.Lock()
        self.disarmed: set[str] = set()
        self.is_unrecorded = False


class PersistentServer:
    """One pVM: the server, what was decided for it, its region and record."""

    def __init__(self, host: libvirt_host.Host, instance: objects.Instance,
                 guard: Guard) -> None:
        self._host = host
        self._guard = guard
        self.instance = instance
        self.uuid: str = instance.uuid

    @property
    def lock(self) -> threading.RLock:
        """The one lock of the server, see :class:`Guard`."""
        return self._guard.lock

    @functools.cached_property
    def spec(self) -> server_spec.ServerSpec:
        """What was decided for the server.

        :raises NotPossible: its flavor cannot be understood
        """
        try:
            return server_spec.decided(self.instance)
        except errors.InvalidSpec as exc:
            raise exception.NotPossible(reason=str(exc))

    def cells(self) -> srat.Cells | None:
        """The NUMA cells that its guest sees; None if not several."""
        return numa_cells.of(self.instance)

    # -- the region -----------------------------------------------------------

    def ensure_region(self) -> vpm.RegionInfo:
        """Allocate its region unless it is there.

        :raises vpm.PoolFull: there is no room
        :raises RegionInUse: there is one of another size, and it is in use
        :raises NoLargePages: it wants pages of 2 MiB, and there are none
        :raises NoSwapDirectory: it is paged, and has no place for its swap
        """
        options = CONF.temporality
        return regions.ensure(
            options.pool_path, self.uuid, self.spec.memory_mb * units.Mi,
            self.spec.nvram_mb * units.Mi, options.swap_dir,
            options.vpm_page_size_kb * units.Ki, options.vpm_policy,
            page_sizes.wants_large(self.instance.flavor,
                                   self.instance.image_meta))

    @property
    def is_watched(self) -> bool:
        """Whether it is to be seen which pages of its memory are written.

        Only then it can be told how much is left to be written to the vault
        when power fails. The price is that Linux maps no pages of 2 MiB.
        """
        return bool(CONF.temporality.vault_hold_up) and (
            not page_sizes.wants_large(self.instance.flavor,
                                       self.instance.image_meta))

    def region(self) -> vpm.RegionInfo:
        """Its region.

        :raises vpm.NotFound: there is none
        """
        return regions.lookup(CONF.temporality.pool_path, self.uuid)

    def free_region(self) -> None:
        """Scrub its region and give it back; harmless if there is none."""
        regions.free(CONF.temporality.pool_path, CONF.temporality.run_dir,
                     self.uuid)
        self._forget_reasons()

    def reclaim_region(self) -> None:
        """Do so unless some process has its memory open.

        :raises RegionInUse: one has
        :raises vpm.NotFound: there is none
        """
        regions.reclaim(CONF.temporality.pool_path, CONF.temporality.run_dir,
                        self.uuid)
        self._forget_reasons()

    @contextlib.contextmanager
    def region_kept(self) -> abc.Iterator[None]:
        """The context in which its domain is destroyed and made again.

        Other threads that destroy the server wait for the end of it.
        """
        with self.is_ended():
            before = self._guard.keeps_region
            self._guard.keeps_region = True
            try:
                yield
            finally:
                self._guard.keeps_region = before

    @contextlib.contextmanager
    def is_ended(self) -> abc.Iterator[None]:
        """The context in which its QEMU is ended, or ended and made again.

        LibvirtDriver then waits for the true power state.
        """
        with self.lock:
            self._guard.ending += 1
            try:
                yield
            finally:
                self._guard.ending -= 1

    @property
    def is_ending(self) -> bool:
        """Whether some call is in that context."""
        return self._guard.ending > 0

    @contextlib.contextmanager
    def boot_confirmed(
            self, confirm: abc.Callable[[], object]) -> abc.Iterator[None]:
        """The context in which somebody is asked before it is booted.

        :param confirm: see RunGuest.resume()
        """
        with self.lock:
            self._guard.confirm = confirm
            try:
                yield
            finally:
                self._guard.confirm = None

    @property
    def confirm(self) -> abc.Callable[[], object] | None:
        """Who is asked before it is booted."""
        return self._guard.confirm

    @property
    def keeps_region(self) -> bool:
        """Whether this thread, which holds the lock, is in that context."""
        return self._guard.keeps_region

    def reserve_room(self) -> None:
        """Note that it will give its region back and take it again."""
        with self.lock:
            self._guard.room_is_reserved = True

    def take_reserved_room(self) -> bool:
        """Whether that was noted and it is still being rebuilt; once."""
        with self.lock:
            reserved = self._guard.room_is_reserved
            self._guard.room_is_reserved = False
        return (reserved and self.instance.task_state ==
                task_states.REBUILD_SPAWNING)

    def binding(self) -> binding.Binding:
        """What its QEMU is given on this host.

        :raises vpm.NotFound: there is no region
        """
        region = self.region()
        return binding.Binding(region.memory_path, region.uid, qemu_gid(),
                               CONF.temporality.run_dir, self.uuid)

    # -- the state ------------------------------------------------------------

    def proven_state(self) -> vpm.StateInfo:
        """Its proven state.

        :raises vpm.Unproven: there is none; the text says why
        :raises vpm.NotFound: there is no region
        """
        return regions.proven_state(CONF.temporality.pool_path, self.uuid)

    def is_proven(self) -> bool:
        """Whether it has a proven state."""
        try:
            self.proven_state()
        except vpm.VpmError:
            return False
        return True

    def may_be_proven(self) -> bool:
        """Whether it has a proven state, or nobody can tell just now."""
        try:
            self.proven_state()
        except (vpm.Unproven, vpm.NotFound):
            return False
        except vpm.VpmError as exc:
            LOG.warning('Cannot tell whether it has a state: %s', exc,
                        instance=self.instance)
        return True

    def fixated_at(self) -> clock.Instant | None:
        """When it was fixated; None if it has no proven state."""
        try:
            meta = self.proven_state().meta
        except vpm.VpmError:
            return None
        return clock.Instant(meta.wall_ns, meta.signal_ns)

    def discard_state(self) -> None:
        """Make any state of it stale, because it shall never be resumed."""
        runs.discard_state(CONF.temporality.pool_path, self.uuid)

    def compare_disks(self, disks: dict[str, str],
                      patience: float | None) -> disk_notes.Comparison:
        """Compare its disks with what they were when it was fixated.

        :param disks: see disk_notes.compare()
        :param patience: seconds to wait for their storage; None for ever
        :raises StorageSilent: it does not answer
        """
        return regions.compare_disks(CONF.temporality.pool_path, self.uuid,
                                     disks, patience)

    def accepts_disks(self) -> bool:
        """Whether its operator says that they are right as they are."""
        return notes.accepts_disks(CONF.temporality.run_dir, self.uuid)

    def forget_accepted_disks(self) -> None:
        """It was resumed: what its operator said was for that."""
        runs.forget_accepted_disks(CONF.temporality.run_dir, self.uuid)

    def lost_memory(self) -> str | None:
        """Why the pager ended its latest QEMU; None if it did not."""
        return regions.lost_memory(CONF.temporality.pool_path, self.uuid)

    # -- its runs -------------------------------------------------------------

    def prepare_boot(self) -> None:
        """Make its region ready for a cold boot."""
        runs.prepare_boot(
            CONF.temporality.pool_path, CONF.temporality.run_dir, self.uuid,
            qemu_gid(), self.spec.priority, self._cells_table())
        self._forget_reasons()

    def _cells_table(self) -> bytes | None:
        cells = self.cells()
        return srat.table(cells) if cells is not None else None

    def _forget_reasons(self) -> None:
        # It is another QEMU from now on, or none.
        with self._guard.disarm_lock:
            self._guard.disarmed.clear()
            self._guard.is_unrecorded = False

    def prepare_recovery(self) -> None:
        """Make ready for a QEMU that will load its state."""
        runs.prepare_recovery(
            CONF.temporality.pool_path, CONF.temporality.run_dir, self.uuid,
            qemu_gid(), self.spec.priority, self._cells_table())
        self._forget_reasons()

    def load_state(self) -> None:
        """Load its state into the QEMU that waits for it.

        :raises RecoveryError: QEMU did not take it
        """
        runs.load(CONF.temporality.pool_path, CONF.temporality.run_dir,
                  self.uuid, CONF.temporality.recovery_timeout)

    def compare_remote_disks(self) -> list[str]:
        """What is not as it was of the disks that only its QEMU can reach.

        :raises RecoveryError: QEMU or its storage do not answer
        """
        return runs.compare_remote_disks(
            CONF.temporality.pool_path, CONF.temporality.run_dir, self.uuid,
            CONF.temporality.recovery_timeout)

    def finish_recovery(self) -> None:
        """Note that its recovery ended, one way or the other."""
        runs.finish_recovery(CONF.temporality.run_dir, self.uuid)

    def is_recovering(self) -> bool:
        """Whether a recovery began since the host booted and did not end."""
        return runs.is_recovering(CONF.temporality.run_dir, self.uuid)

    def suspend(self) -> runs.Suspension:
        """Have the notifier fixate it and end its QEMU.

        :raises client.NotifierSilent: nobody can tell whether it is suspended
        :raises client.NotifierError: it is not
        """
        return runs.suspend(CONF.temporality.run_dir, self.uuid)

    def kept_still(self) -> contextlib.AbstractContextManager[None]:
        """The context in which nobody else starts its vCPUs.

        :raises RunLockTimeout: it is fixated, or being started
        """
        return runs.kept_still(CONF.temporality.pool_path, self.uuid)

    def disarm(self, reason: str) -> None:
        """Keep it from being fixated, until :meth:`rearm` for this reason.

        :param reason: see :func:`nova_temporality.host.notes.set_moving`
        :raises RunLockTimeout: it is fixated just now
        """
        with self._guard.disarm_lock:
            if reason not in self._guard.disarmed:
                self._note(reason)
                self._guard.disarmed.add(reason)

    def _note(self, reason: str) -> None:
        runs.begin_move(CONF.temporality.pool_path, CONF.temporality.run_dir,
                        self.uuid, reason)

    def rearm(self, *reasons: str) -> None:
        """Let it be fixated again unless there are other reasons not to.

        Harmless if it was not disarmed. nova-compute may have been started
        since it was.
        """
        with self._guard.disarm_lock:
            self._guard.disarmed.difference_update(reasons)
            if self._guard.disarmed:
                self._note(min(self._guard.disarmed))
            else:
                runs.end_move(CONF.temporality.run_dir, self.uuid)

    # -- its domain -----------------------------------------------------------

    def guest(self) -> pvm_guest.RunGuest:
        """Its domain.

        :raises InstanceNotFound: libvirt has none
        """
        return pvm_guest.RunGuest(
            self._host.get_guest(self.instance)._domain)

    def is_active(self) -> bool:
        """Whether libvirt has a running or paused domain of it."""
        try:
            return self._host.get_guest(self.instance).is_active()
        except nova_exception.InstanceNotFound:
            return False

    def waits_for_state(self) -> bool:
        """Whether it is yet to run on from a saved state.

        Perhaps there is a QEMU that waits for the state, or has loaded it.
        """
        return (not self.is_active() or self.is_recovering()) and (
            self.may_be_proven())

    def is_running(self) -> bool:
        """Whether the vCPUs of its domain run."""
        try:
            return self._host.get_guest(self.instance).get_power_state(
                self._host) == power_state.RUNNING
        except nova_exception.InstanceNotFound:
            return False

    def check_pager(self) -> None:
        """Make sure that a pager serves its memory if it is paged.

        :raises PagerMissing: none does
        """
        runs.check_pager(CONF.temporality.pool_path, self.uuid)

    def record_domain(self) -> None:
        """Record the machine that its state will fit, durably."""
        domain_record.write(
            self.instance, self._host.get_guest(self.instance),
            self.recover_socket)

    def mend_record(self) -> None:
        """Record its running machine again unless the record fits it."""
        guest = self._host.get_guest(self.instance)
        if not domain_record.fits(self.instance, guest, self.recover_socket):
            LOG.warning('The record of its machine did not fit it and is '
                        'written again', instance=self.instance)
            self.record_domain()

    def follow_machine(self) -> None:
        """Record its machine if that changed without nova-compute."""
        with self.lock:
            if self.is_active() and not self.is_recovering() and (
                    not domain_record.fits(
                        self.instance, self._host.get_guest(self.instance),
                        self.recover_socket)):
                LOG.warning('A device left its machine unasked',
                            instance=self.instance)
                try:
                    with self.machine_change():
                        pass
                except runlock.RunLockTimeout:
                    # It is fixated, as it is now.
                    self.try_to_record()

    @property
    def recover_socket(self) -> str:
        """Path of the monitor socket through which its state is loaded."""
        return paths.recover_socket(CONF.temporality.run_dir, self.uuid)

    @contextlib.contextmanager
    def machine_change(self) -> abc.Iterator[None]:
        """The context in which its running machine gets other devices.

        A state only fits the machine that is on record. So the server is not
        fixated from before the change until the new record is durable. A
        server whose record could not be written stays disarmed; nova-compute
        tries again once a minute, and when it starts.

        :raises RunLockTimeout: it is fixated just now; nothing was changed
        :raises NotPossible: it is still to be recovered
        """
        with self.lock:
            if self.waits_for_state():
                raise exception.NotPossible(
                    reason='The server stands still in a saved state, which '
                           'only fits its machine as it was; wait until it '
                           'runs again')
            if not self.is_active():
                yield
                return
            self.disarm(notes.CHANGES)
            try:
                yield
            finally:
                # A change that failed may have been made in part.
                if self.is_active():
                    self.try_to_record()
                self.rearm(notes.CHANGES)

    def try_to_record(self, only_if_changed: bool = False) -> None:
        """Record its machine, or keep it disarmed until that works.

        A change that was made must not be taken for one that failed: Nova
        would give a volume to others that the guest still writes to.
        """
        try:
            if only_if_changed:
                self.mend_record()
            else:
                self.record_domain()
        except OSError as exc:
            LOG.error('The record of its machine cannot be written: %s. It is '
                      'not fixated until nova-compute can write it', exc,
                      instance=self.instance)
            self._guard.is_unrecorded = True
            # What is fixated is disarmed by a later try.
            with contextlib.suppress(runlock.RunLockTimeout):
                self.disarm(notes.NOT_ON_RECORD)
        else:
            self._guard.is_unrecorded = False
            self.rearm(notes.NOT_ON_RECORD)

    @property
    def is_unrecorded(self) -> bool:
        """Whether the record of its machine could not be written."""
        return self._guard.is_unrecorded
