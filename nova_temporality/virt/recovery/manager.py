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

"""nova-compute's first work after an outage: pVMs run on.

A pVM whose domain is gone and whose state is proven gets an empty QEMU on
the same memory, which loads the state and runs on. One whose state is not
proven is never resumed. One whose domain is there is not touched: then only
nova-compute was restarted. One that is suspended stays so.
"""

from concurrent import futures
import contextlib
import sys
import time

import libvirt
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import utils as compute_utils
from nova.compute import vm_states
import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.virt import driver as virt_driver
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import paths
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.qemu import incoming
from nova_temporality.spec import max_outage
from nova_temporality.virt.actions import volumes
from nova_temporality.virt import agent
from nova_temporality.virt import binding
from nova_temporality.virt import budget
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import domain_record
from nova_temporality.virt import guest as pvm_guest
from nova_temporality.virt.recovery import clock
from nova_temporality.virt.recovery import consoles
from nova_temporality.virt.recovery import notifications
from nova_temporality import vpm

CONF = nova.conf.CONF
PCONF = conf.CONF
LOG = logging.getLogger(__name__)

ACTION = 'temporality_recover'

# Recovery is mostly waiting for QEMU processes to start.
_PARALLEL = 8

# What ran, or stood still in its QEMU, when the power failed.
_LIVE_VM_STATES = (vm_states.ACTIVE, vm_states.PAUSED, vm_states.ERROR,
                   vm_states.RESCUED, vm_states.RESIZED)

# Seconds for libvirt to give up a live migration.
_ABORT_PATIENCE = 10

# What migrations are before QEMU begins with them.
_NOT_MOVED_YET = ('accepted', 'queued', 'preparing')

# In these Nova had perhaps asked the guest to freeze its file systems.
_MAKING_AN_IMAGE = (
    task_states.IMAGE_SNAPSHOT_PENDING, task_states.IMAGE_SNAPSHOT,
    task_states.IMAGE_PENDING_UPLOAD, task_states.IMAGE_UPLOADING,
    task_states.IMAGE_BACKUP)

# In these the server was perhaps stopped by Nova, which goes on with it, or
# tells how to.
_STOPPED_BY_NOVA = (
    task_states.REBUILDING, task_states.REBUILD_BLOCK_DEVICE_MAPPING,
    task_states.REBUILD_SPAWNING, task_states.RESIZE_MIGRATING,
    task_states.RESIZE_MIGRATED, task_states.RESIZE_FINISH,
    task_states.RESIZE_REVERTING, task_states.POWERING_OFF,
    task_states.POWERING_ON, task_states.SPAWNING, task_states.SHELVING,
    task_states.SHELVING_IMAGE_PENDING_UPLOAD,
    task_states.SHELVING_IMAGE_UPLOADING, task_states.SHELVING_OFFLOADING,
    task_states.REBOOT_STARTED, task_states.REBOOT_STARTED_HARD)


def recover_all(driver, instances):
    """Recover the pVMs of this host, several at a time.

    What goes wrong with one server is its own fault (in Nova's sense too)
    and leaves the others alone.

    :param driver: TemporalityDriver
    :param instances: pVMs that Nova has on this host
    """
    if not instances:
        return
    clock_deadline = time.monotonic() + PCONF.temporality.clock_wait
    with futures.ThreadPoolExecutor(_PARALLEL) as executor:
        list(executor.map(
            lambda instance: _recover_one(driver, instance, clock_deadline),
            instances))


def resume_suspended(driver, context, instance):
    """Let a suspended pVM run on, once, from its proven state.

    :raises StateUnproven: there is none (any more)
    :raises RecoveryFailed: it does not start; the state is kept
    """
    _Recovery(driver, context, instance).resume_suspended()


def _recover_one(driver, instance, clock_deadline):
    # Contexts are not made to be shared by threads.
    context = nova_context.get_admin_context()
    instance._context = context
    try:
        _Recovery(driver, context, instance).run(clock_deadline)
    except Exception as exc:
        LOG.exception('Recovery failed', instance=instance)
        set_error(context, instance, exc)


def set_error(context, instance, exc):
    """Put a server into ERROR, with an exception as its fault."""
    try:
        compute_utils.add_instance_fault_from_exc(
            context, instance, exc, sys.exc_info())
        instance.vm_state = vm_states.ERROR
        instance.task_state = None
        instance.save()
    except Exception:
        LOG.exception('Nova did not take the fault', instance=instance)


class _Recovery:
    """The recovery of one server."""

    def __init__(self, driver, context, instance):
        self._driver = driver
        self._context = context
        self._instance = instance
        self._pool = PCONF.temporality.pool_path
        self._run_dir = PCONF.temporality.run_dir

    def run(self, clock_deadline):
        """Find out what the server needs, and do it.

        :param clock_deadline: of time.monotonic(), until which the clock may
                               become synchronised
        """
        instance = self._instance
        if instance.host != CONF.host or (
                instance.task_state == task_states.DELETING):
            return
        if instance.vm_state not in _LIVE_VM_STATES and not (
                self._is_being_resumed()):
            return
        if instance.task_state == task_states.MIGRATING:
            self._check_moved()
        if self._domain_is_active() and not self._finish_interrupted():
            return
        try:
            state = regions.proven_state(self._pool, instance.uuid)
        except (vpm.Unproven, vpm.NotFound) as exc:
            self._unproven(exc)
            return
        if instance.task_state == task_states.SUSPENDING:
            # Whether the tenant or the power came first, it is suspended.
            self._set_suspended()
            return
        if not clock.wait_synchronised(clock_deadline):
            LOG.warning("The host's clock is not synchronised: the length of "
                        'the outage, and the time that guests are given, may '
                        'be wrong', instance=instance)
        too_long = self._too_long(state)
        if too_long:
            self._give_up(too_long, cold_boot=True)
            return
        with self._action():
            self._resume(state)
            self._finished()

    def resume_suspended(self):
        """See the function of this name; Nova keeps its own record."""
        try:
            state = regions.proven_state(self._pool, self._instance.uuid)
        except (vpm.Unproven, vpm.NotFound) as exc:
            raise exception.StateUnproven(reason=str(exc))
        if self._domain_is_active():
            # An earlier attempt got so far. Its vCPUs cannot have run.
            self._guest().poweroff()
        self._resume(state)
        runs.finish_recovery(self._run_dir, self._instance.uuid)

    def _is_being_resumed(self):
        return (self._instance.vm_state == vm_states.SUSPENDED and
                self._instance.task_state == task_states.RESUMING)

    def _set_suspended(self):
        instance = self._instance
        instance.vm_state = vm_states.SUSPENDED
        instance.power_state = power_state.SHUTDOWN
        instance.task_state = None
        instance.save()

    def _check_moved(self):
        """Deal with a live migration that nova-compute saw no end of.

        :raises MovedPerhaps: it has perhaps moved
        :raises StillMoving: libvirt goes on with it
        """
        instance = self._instance
        if self._domain_is_active():
            # libvirt goes on without nova-compute.
            guest = self._guest()
            with contextlib.suppress(libvirt.libvirtError):
                guest.abort_job()
            if self._still_moves(guest):
                raise exception.StillMoving()
        if self._domain_is_active():
            binding.forget(self._context, instance.uuid)
            return
        # Nova has it run here until it has heard of the end.
        for migration in objects.MigrationList.get_in_progress_by_instance(
                self._context, instance.uuid, 'live-migration'):
            if migration.status not in _NOT_MOVED_YET:
                regions.discard_state(self._pool, instance.uuid)
                raise exception.MovedPerhaps(host=migration.dest_compute)

    @staticmethod
    def _still_moves(guest):
        """Wait for the end of a live migration; whether it goes on."""
        deadline = time.monotonic() + _ABORT_PATIENCE
        while guest.get_job_info().type != libvirt.VIR_DOMAIN_JOB_NONE:
            if time.monotonic() >= deadline:
                return True
            time.sleep(0.1)
        return False

    def _guest(self):
        return self._driver._host.get_guest(self._instance)

    def _domain_is_active(self):
        try:
            return self._guest().is_active()
        except nova_exception.InstanceNotFound:
            return False

    def _finish_interrupted(self):
        """Deal with the domain of a recovery that was cut off.

        :returns: whether the recovery has to begin again
        """
        uuid = self._instance.uuid
        if not runs.is_recovering(self._run_dir, uuid):
            LOG.debug('pVM is there, nothing to recover',
                      instance=self._instance)
            runs.end_move(self._run_dir, uuid)
            self._ensure_record()
            if self._instance.task_state in (task_states.SUSPENDING,
                                             task_states.RESUMING):
                # Nova does not take these up again.
                self._finished()
            return False
        try:
            regions.proven_state(self._pool, uuid)
        except vpm.Unproven:
            # The state was loaded and given up, so it is in this QEMU.
            LOG.info('Finishing a recovery that was cut off after the state '
                     'was loaded', instance=self._instance)
            self._let_run()
            self._finished()
            return False
        LOG.info('Beginning a recovery anew that was cut off before vCPUs '
                 'ran', instance=self._instance)
        self._guest().poweroff()
        return True

    def _ensure_record(self):
        # It may have come from another host a moment before nova-compute
        # ended.
        try:
            xml = domain_record.read(self._instance)
        except OSError:
            xml = None
        if xml is None or not self._is_of_here(xml):
            self._driver._record_domain(self._instance)

    def _is_of_here(self, xml):
        region = regions.lookup(self._pool, self._instance.uuid)
        return pvm_domain.uses_memory(xml, region.memory_path, region.uid)

    def _action(self):
        # readable by "openstack server event list"
        objects.InstanceAction.action_start(
            self._context, self._instance.uuid, ACTION, want_result=False)
        return compute_utils.EventReporter(
            self._context, ACTION, CONF.host, self._instance.uuid)

    # -- a proven state -------------------------------------------------------

    def _resume(self, state):
        instance = self._instance
        began = time.monotonic()
        guest = self._start_empty()
        started = time.monotonic()
        try:
            runs.check_pager(self._pool, instance.uuid)
            runs.load(self._pool, self._run_dir, instance.uuid,
                      PCONF.temporality.recovery_timeout)
        except (vpm.VpmError, incoming.RecoveryError,
                runs.PagerMissing) as exc:
            # It may have ended by itself.
            with contextlib.suppress(libvirt.libvirtError):
                guest.poweroff()
            runs.finish_recovery(self._run_dir, instance.uuid)
            raise exception.RecoveryFailed(reason=regions.lost_memory(
                self._pool, instance.uuid) or str(exc))
        loaded = time.monotonic()
        if self._ran_before(state):
            self._let_run()
        meta = state.meta
        LOG.info(
            'Recovered: fixated in %(fixation).1f ms (%(size)d KiB of '
            'state), dark for %(dark).1f s, recovered in %(total).0f ms '
            '(empty domain %(start).0f ms, state %(load).0f ms)',
            {'fixation': (state.persisted_ns - meta.signal_ns) / 1e6,
             'size': state.length // 1024,
             'dark': time.time() - meta.wall_ns / 1e9,
             'total': (time.monotonic() - began) * 1e3,
             'start': (started - began) * 1e3,
             'load': (loaded - started) * 1e3},
            instance=instance)

    def _start_empty(self):
        instance = self._instance
        try:
            xml = domain_record.read(instance)
        except OSError as exc:
            raise exception.RecoveryFailed(
                reason='the record of its machine cannot be read (%s)' % exc)
        if not self._is_of_here(xml):
            raise exception.RecoveryFailed(
                reason='the record of its machine is that of another host')
        xml = consoles.with_free_ports(volumes.connect(
            self._driver, self._context, instance, xml, self._bdms()))
        self._driver.plug_vifs(instance, instance.get_network_info())
        runs.prepare_recovery(self._pool, self._run_dir, instance.uuid,
                              self._driver._qemu_gid(),
                              budget.priority_of(instance.flavor))
        host = self._driver._host
        try:
            if not self._driver.instance_exists(instance):
                # libvirt's definition was still in the page cache. Without one
                # the server would be gone from libvirt when it is shut down.
                host.write_instance_config(xml)
            # Beside the persistent definition, which stays as it was.
            domain = host.get_connection().createXML(
                pvm_domain.with_incoming(xml, paths.recover_socket(
                    self._run_dir, instance.uuid)),
                libvirt.VIR_DOMAIN_START_PAUSED)
        except libvirt.libvirtError as exc:
            runs.finish_recovery(self._run_dir, instance.uuid)
            raise exception.RecoveryFailed(
                reason='libvirt does not start its domain: %s' % exc)
        return pvm_guest.RunGuest(domain)

    def _ran_before(self, state):
        if self._instance.vm_state == vm_states.PAUSED:
            return False
        if state.meta.runstate == 'paused':
            LOG.warning('The server was paused from outside of Nova when '
                        'power failed and stays so',
                        instance=self._instance)
            return False
        return True

    def _let_run(self):
        guest = pvm_guest.RunGuest(self._guest()._domain)
        guest.resume()
        agent.catch_up(
            guest, frozen=self._instance.task_state in _MAKING_AN_IMAGE)

    def _finished(self):
        instance = self._instance
        runs.finish_recovery(self._run_dir, instance.uuid)
        instance.power_state = self._guest().get_power_state(
            self._driver._host)
        if instance.vm_state in (vm_states.ERROR, vm_states.SUSPENDED):
            instance.vm_state = vm_states.ACTIVE
        if instance.task_state in (task_states.SUSPENDING,
                                   task_states.RESUMING):
            instance.task_state = None
        instance.save()

    # -- what is not resumed --------------------------------------------------

    def _too_long(self, state):
        """OutageTooLong if it was, else None."""
        limit = max_outage.max_outage(self._instance.flavor.extra_specs,
                                      PCONF.temporality.max_outage)
        dark = time.time() - state.meta.wall_ns / 1e9
        if not limit or 0 <= dark <= limit:
            return None
        if dark < 0:
            reason = ("nobody can tell whether the outage was longer than %d "
                      "s: the host's clock is behind that of its beginning" %
                      limit)
        else:
            reason = ('the outage of %d s was longer than %d s' %
                      (dark, limit))
        return exception.OutageTooLong(reason=reason)

    def _unproven(self, reason):
        instance = self._instance
        if instance.vm_state == vm_states.ERROR or (
                instance.power_state == power_state.SHUTDOWN and
                not self._is_being_resumed()):
            # Dealt with before, or it was off already.
            return
        if instance.task_state in _STOPPED_BY_NOVA:
            return
        lost = regions.lost_memory(self._pool, instance.uuid)
        self._give_up(
            exception.MemoryLost(reason=lost) if lost else
            exception.StateUnproven(reason=str(reason)),
            PCONF.temporality.on_unproven_state == 'cold-boot')

    def _give_up(self, exc, cold_boot):
        """Boot it afresh, or leave it off; tell why.

        :param exc: a NovaException
        """
        instance = self._instance
        # A reboot would be the end of a rescue.
        cold_boot = cold_boot and instance.vm_state != vm_states.RESCUED
        LOG.error('%(why)s %(what)s',
                  {'why': exc.format_message(),
                   'what': 'Booting it afresh now.' if cold_boot else
                   'It is left off.'}, instance=instance)
        try:
            with self._action():
                raise exc
        except type(exc):
            notifications.not_resumed(self._context, instance, exc)
            if cold_boot:
                compute_utils.add_instance_fault_from_exc(
                    self._context, instance, exc, sys.exc_info())
                self._cold_boot()
                return
            instance.power_state = power_state.SHUTDOWN
            if instance.vm_state in (vm_states.RESCUED, vm_states.RESIZED):
                # ERROR would be in the way of unrescue, confirm and revert,
                # which boot it afresh or tell that it is off.
                regions.discard_state(self._pool, instance.uuid)
                instance.save()
            else:
                set_error(self._context, instance, exc)

    def _cold_boot(self):
        instance = self._instance
        self._driver._hard_reboot(
            self._context, instance, instance.get_network_info(),
            objects.ShareMappingList(),
            virt_driver.get_block_device_info(instance, self._bdms()))
        instance.power_state = self._guest().get_power_state(
            self._driver._host)
        if instance.vm_state != vm_states.RESIZED:
            instance.vm_state = vm_states.ACTIVE
        instance.save()

    def _bdms(self):
        return objects.BlockDeviceMappingList.get_by_instance_uuid(
            self._context, self._instance.uuid)
