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

"""The compute driver: libvirt's, with servers that survive power cuts.

Set ``[DEFAULT] compute_driver = temporality.TemporalityDriver``. Servers that
nobody asks to be persistent pass through LibvirtDriver untouched. What is
here are Nova's calls, in Nova's order; what they do to a pVM is elsewhere in
this package.
"""

from __future__ import annotations

from collections import abc
import contextlib
import copy
import inspect
from typing import Any

from nova.compute import power_state
from nova.compute import provider_tree as nova_provider_tree
from nova.compute import vm_states
import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.virt import event as virtevent
from nova.virt import hardware
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import event as libvirtevent
from nova.virt.libvirt import guest as libvirt_guest
from oslo_log import log as logging
from oslo_utils import units

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.spec import persistence
from nova_temporality.spec import resources
from nova_temporality.virt.actions import live_migration
from nova_temporality.virt.actions import suspend
from nova_temporality.virt.actions import unplugged
from nova_temporality.virt.actions import volume_snapshots
from nova_temporality.virt import admission
from nova_temporality.virt import agent
from nova_temporality.virt import binding
from nova_temporality.virt import checks
from nova_temporality.virt import claims
from nova_temporality.virt import disks
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import events
from nova_temporality.virt import genid
from nova_temporality.virt import guest as pvm_guest
from nova_temporality.virt import image_of_record
from nova_temporality.virt import ports
from nova_temporality.virt import readiness
from nova_temporality.virt.recovery import clock
from nova_temporality.virt.recovery import former
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt.recovery import lost_memory
from nova_temporality.virt.recovery import manager as recovery
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt import server as pvm_server
from nova_temporality.virt import servers
from nova_temporality.virt import startup
from nova_temporality.virt import storage
from nova_temporality.virt import versions
from nova_temporality import vpm

CONF = nova.conf.CONF
PCONF = conf.CONF
LOG = logging.getLogger(__name__)

# In which a server that is fixated ran, or was paused.
_LIVE_VM_STATES = (vm_states.ACTIVE, vm_states.PAUSED, vm_states.RESCUED,
                   vm_states.RESIZED)


def _signed_as_in_nova(method: Any) -> Any:
    # Nova 33 hands over one argument less, and Nova checks signatures.
    method.__signature__ = inspect.signature(
        getattr(libvirt_driver.LibvirtDriver, method.__name__))
    return method


def _is_live_by_now(uuid: str) -> bool:
    """Whether Nova has a server that stands still or is off as a live one.

    Nova reads all servers before it asks for the power state of each. So a
    recovery may have failed since, and what was read does not show ERROR.
    """
    try:
        fresh = objects.Instance.get_by_uuid(
            nova_context.get_admin_context(), uuid, expected_attrs=[])
    except Exception as exc:
        LOG.debug('Nova does not say what server %s is by now: %s', uuid, exc)
        return False
    return not fresh.task_state and fresh.vm_state in _LIVE_VM_STATES


class TemporalityDriver(startup.Startup):
    """LibvirtDriver whose servers may be pVMs."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi, read_only)
        self.servers = servers.Servers(self._host)
        self.recoveries = keeper.Keeper(self)
        self.vif_driver = ports.VifDriver(self._host, self.servers)
        self._readiness = readiness.Readiness(self._tell_placement)
        self._admission = admission.Admission(self._readiness)

    def init_host(self, host: str) -> None:
        """See ComputeDriver; refuses to start without a sound pool.

        The pool has to be on the medium that it was made on: mounted without
        DAX, servers would run and not be protected.

        Nor does it start with a libvirt or QEMU older than what was tested.
        Without the pool pVMs could not be recovered, and Nova would take them
        for servers that were shut down.
        """
        super().init_host(host)
        pool_path = PCONF.temporality.pool_path
        pvm_server.qemu_gid()
        try:
            info = regions.pool_info(pool_path)
        except vpm.VpmError as exc:
            raise nova_exception.InvalidConfiguration(
                'The NVRAM pool %s cannot be used: %s. Persistent servers '
                'stay as they are until nova-compute is started with its '
                'pool in place; see "temporality pool check".' %
                (pool_path, exc))
        if info.medium_problem:
            raise nova_exception.InvalidConfiguration(
                'The NVRAM is not mounted as it was: %s. Persistent servers '
                'stay as they are until nova-compute is started with that '
                'mended.' % info.medium_problem)
        self._check_versions()
        LOG.info('NVRAM pool %(path)s on %(medium)s: %(used)d of %(total)d '
                 'MiB in use by %(count)d servers',
                 {'path': pool_path, 'medium': info.medium_shown,
                  'used': info.used_size // units.Mi,
                  'total': info.total_size // units.Mi,
                  'count': info.used_descriptors})
        compute = getattr(self.virtapi, '_compute', None)
        if compute is not None:
            claims.give_way(compute.rt)
        self.recoveries.watch()
        self._readiness.watch()

    def _check_versions(self) -> None:
        problem = versions.problem(versions.found(
            self._host.get_connection()))
        if problem:
            raise nova_exception.InvalidConfiguration(
                'Persistent servers cannot be run: %s' % problem)

    def get_info(self, instance: objects.Instance,
                 use_cache: bool = True) -> hardware.InstanceInfo:
        """See ComputeDriver; a server that is to be recovered counts as on.

        Nova stops what it finds shut off, and with that would give its
        memory up. One that is off because its memory is lost gets that as its
        fault.
        """
        try:
            info = super().get_info(instance, use_cache)
        except nova_exception.InstanceNotFound:
            # libvirt's definition may be lost with the page cache.
            info = hardware.InstanceInfo(state=power_state.NOSTATE)
            if not self._is_to_be_recovered(instance, info.state):
                raise
        if self._is_to_be_recovered(instance, info.state):
            info.state = (
                power_state.PAUSED if instance.vm_state == vm_states.PAUSED
                else power_state.RUNNING)
        else:
            lost_memory.notice(instance, info.state)
        return info

    def _is_to_be_recovered(self, instance: objects.Instance,
                            state: int) -> bool:
        """Whether a server that stands still or is off runs on later."""
        # Nova's power sync leaves a server alone that has a task, and whoever
        # works on a task has to see what is.
        if state == power_state.RUNNING or instance.task_state or (
                not persistence.is_pvm(instance) or
                instance.vm_state not in _LIVE_VM_STATES):
            return False
        server = self.servers.of(instance)
        if server.is_ending:
            return False
        if self.recoveries.is_pending(instance.uuid):
            return True
        if not server.may_be_proven():
            return False
        if state != power_state.PAUSED and _is_live_by_now(instance.uuid):
            # It was reset, and nobody else will.
            self.recoveries.add(instance.uuid)
        return True

    def rebuild(self, context: nova_context.RequestContext,
                instance: objects.Instance, image_meta: objects.ImageMeta,
                injected_files: Any, admin_password: Any, allocations: Any,
                bdms: Any, detach_block_devices: Any,
                attach_block_devices: Any, network_info: Any = None,
                evacuate: bool = False, block_device_info: Any = None,
                preserve_ephemeral: bool = False, accel_uuids: Any = None,
                reimage_boot_volume: bool = False) -> None:
        """See ComputeDriver; refuses before anything is destroyed.

        A server whose rebuild is refused is described by its own image
        again. What is not refused is left to Nova, which destroys and spawns.
        """
        if not evacuate:
            try:
                self._admission.check_rebuild(instance, image_meta,
                                              network_info)
            except exception.NotPossible as exc:
                image_of_record.restore(context, self._host, self._image_api,
                                        instance)
                raise nova_exception.InstanceFaultRollback(exc)
        if persistence.is_pvm(instance):
            server = self.servers.of(instance)
            if evacuate:
                self._admission.check_room(instance, server.spec)
            else:
                server.reserve_room()
        raise NotImplementedError()

    def spawn(self, context: nova_context.RequestContext,
              instance: objects.Instance, image_meta: objects.ImageMeta,
              injected_files: Any, admin_password: Any, allocations: Any,
              network_info: Any = None, block_device_info: Any = None,
              power_on: bool = True, accel_info: Any = None) -> None:
        """See ComputeDriver; decides whether the server is a pVM."""
        if self._admission.decide(instance):
            server = self.servers.of(instance)
            self.servers.add(server.uuid)
            checks.check_request(instance, instance.flavor, image_meta,
                                 network_info)
            # Before its disks are made; again with the domain, to which
            # other ways lead.
            self._admission.admit(
                server, room_is_reserved=server.take_reserved_room())
        super().spawn(context, instance, image_meta, injected_files,
                      admin_password, allocations, network_info=network_info,
                      block_device_info=block_device_info, power_on=power_on,
                      accel_info=accel_info)

    def destroy(self, context: nova_context.RequestContext,
                instance: objects.Instance, network_info: Any,
                block_device_info: Any = None, destroy_disks: bool = True,
                destroy_secrets: bool = True) -> None:
        """See ComputeDriver; gives a pVM's NVRAM back, scrubbed."""
        if not persistence.is_pvm(instance):
            super().destroy(context, instance, network_info,
                            block_device_info, destroy_disks,
                            destroy_secrets=destroy_secrets)
            return
        server = self.servers.of(instance)
        with server.lock:
            super().destroy(context, instance, network_info,
                            block_device_info, destroy_disks,
                            destroy_secrets=destroy_secrets)
            if not server.keeps_region:
                self._free(server)

    def _free(self, server: pvm_server.PersistentServer) -> None:
        server.free_region()
        self.servers.remove(server.uuid)

    def _destroy(self, instance: objects.Instance) -> None:
        # Called by all that end a domain; waits until it has ended.
        if not persistence.is_pvm(instance):
            return super()._destroy(instance)
        with self.servers.of(instance).is_ended():
            super()._destroy(instance)

    def _hard_reboot(self, context: nova_context.RequestContext,
                     instance: objects.Instance, network_info: Any,
                     share_info: Any, block_device_info: Any = None,
                     accel_info: Any = None) -> None:
        if not persistence.is_pvm(instance):
            super()._hard_reboot(context, instance, network_info, share_info,
                                 block_device_info, accel_info)
            return
        server = self.servers.of(instance)
        with server.region_kept():
            if server.confirm is None:
                # Who asked may have waited for the lock, and Nova does not
                # lock a server that it starts: it may be deleted by now.
                ownership.confirm_here(nova_context.get_admin_context(),
                                       server.uuid)
            former.forget(instance)
            if server.is_proven():
                events.given_up(instance, 'it is rebooted hard')
            super()._hard_reboot(context, instance, network_info, share_info,
                                 block_device_info, accel_info)

    def _soft_reboot(self, instance: objects.Instance) -> bool:
        if not persistence.is_pvm(instance):
            return super()._soft_reboot(instance)
        # A domain that was shut down must not be launched as it is: its
        # memory still holds the earlier run. The hard reboot that follows
        # scrubs it.
        self._clean_shutdown(instance, CONF.libvirt.wait_soft_reboot_seconds,
                             CONF.libvirt.wait_soft_reboot_seconds)
        return False

    def attach_volume(self, context: nova_context.RequestContext,
                      connection_info: Any, instance: objects.Instance,
                      mountpoint: str, disk_bus: str | None = None,
                      device_type: str | None = None,
                      encryption: Any = None) -> None:
        """See ComputeDriver."""
        with self._machine_change(instance):
            try:
                super().attach_volume(context, connection_info, instance,
                                      mountpoint, disk_bus, device_type,
                                      encryption)
            except exception.NotPossible:
                # LibvirtDriver expects no refusal between connecting the
                # volume to the host and attaching it.
                self._disconnect_volume(context, connection_info, instance,
                                        encryption=encryption)
                raise

    def _machine_change(self, instance: objects.Instance) -> (
            contextlib.AbstractContextManager[None]):
        if persistence.is_pvm(instance):
            return self.servers.of(instance).machine_change()
        return contextlib.nullcontext()

    def _check_discard_for_attach_volume(
            self, conf: vconfig.LibvirtConfigGuestDisk,
            instance: objects.Instance) -> None:
        # Called when the disk is configured and before it is attached.
        super()._check_discard_for_attach_volume(conf, instance)
        if persistence.is_pvm(instance):
            disks.prepare_attached(conf, self.servers.of(instance).spec)

    def detach_volume(self, context: nova_context.RequestContext,
                      connection_info: Any, instance: objects.Instance,
                      mountpoint: str, encryption: Any = None) -> None:
        """See ComputeDriver."""
        with self._machine_change(instance):
            super().detach_volume(context, connection_info, instance,
                                  mountpoint, encryption)

    def swap_volume(self, context: nova_context.RequestContext,
                    old_connection_info: Any, new_connection_info: Any,
                    instance: objects.Instance, mountpoint: str,
                    resize_to: int) -> None:
        """See ComputeDriver; refused.

        If power failed between the switch and the new record, recovery would
        give the server the old volume with newer memory.
        """
        if instance is not None and persistence.is_pvm(instance):
            raise exception.NotPossible(
                reason='The volume of a persistent server cannot be swapped '
                       'while it is attached; detach it first')
        super().swap_volume(context, old_connection_info,
                            new_connection_info, instance, mountpoint,
                            resize_to)

    def extend_volume(self, context: nova_context.RequestContext,
                      connection_info: Any, instance: objects.Instance,
                      requested_size: int) -> None:
        """See ComputeDriver."""
        with self._machine_change(instance):
            super().extend_volume(context, connection_info, instance,
                                  requested_size)

    def _volume_snapshot_create(self, context: nova_context.RequestContext,
                                instance: objects.Instance,
                                guest: libvirt_guest.Guest, volume_id: str,
                                new_file: str) -> None:
        # LibvirtDriver tells Cinder of what is raised.
        with self._while_off(instance):
            super()._volume_snapshot_create(context, instance, guest,
                                            volume_id, new_file)

    def _volume_snapshot_delete(self, context: nova_context.RequestContext,
                                instance: objects.Instance, volume_id: str,
                                snapshot_id: str,
                                delete_info: Any = None) -> None:
        with self._while_off(instance):
            super()._volume_snapshot_delete(
                context, instance, volume_id, snapshot_id,
                delete_info=delete_info)

    def _while_off(self, instance: objects.Instance) -> (
            contextlib.AbstractContextManager[None]):
        if persistence.is_pvm(instance):
            return volume_snapshots.while_off(self.servers.of(instance))
        return contextlib.nullcontext()

    def attach_interface(self, context: nova_context.RequestContext,
                         instance: objects.Instance,
                         image_meta: objects.ImageMeta, vif: Any) -> None:
        """See ComputeDriver."""
        with self._machine_change(instance):
            if persistence.is_pvm(instance):
                self._check_port(instance, image_meta, vif)
            super().attach_interface(context, instance, image_meta, vif)

    def _check_port(self, instance: objects.Instance,
                    image_meta: objects.ImageMeta, vif: Any) -> None:
        """Refuse a port before anything of it is plugged."""
        checks.check_port(vif)
        checks.check_device(
            self.vif_driver.get_config(instance, vif, image_meta,
                                       instance.flavor,
                                       CONF.libvirt.virt_type),
            self.servers.of(instance).spec.is_paged)

    def detach_interface(self, context: nova_context.RequestContext,
                         instance: objects.Instance, vif: Any) -> None:
        """See ComputeDriver."""
        with self._machine_change(instance):
            super().detach_interface(context, instance, vif)

    def migrate_disk_and_power_off(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, dest: str, flavor: objects.Flavor,
            network_info: Any, block_device_info: Any = None,
            timeout: int = 0, retry_interval: int = 0) -> Any:
        """See ComputeDriver; the server is stopped, so its memory goes.

        Placement keeps the NVRAM claimed until the resize is confirmed, so
        that a revert finds room for it. What is not possible is refused before
        anything is stopped.
        """
        try:
            spec = self._admission.check_resize(instance, flavor,
                                                network_info)
            if spec.is_persistent and dest == self.get_host_ip_addr():
                self._admission.check_room(instance, spec)
        except (exception.NotPossible,
                nova_exception.ComputeResourcesUnavailable) as exc:
            raise nova_exception.InstanceFaultRollback(exc)
        if not persistence.is_pvm(instance):
            return super().migrate_disk_and_power_off(
                context, instance, dest, flavor, network_info,
                block_device_info, timeout, retry_interval)
        server = self.servers.of(instance)
        with server.lock:
            disk_info = super().migrate_disk_and_power_off(
                context, instance, dest, flavor, network_info,
                block_device_info, timeout, retry_interval)
            self._free(server)
        return disk_info

    @_signed_as_in_nova
    def finish_migration(self, context: nova_context.RequestContext,
                         migration: objects.Migration,
                         instance: objects.Instance, *args: Any,
                         **kwargs: Any) -> None:
        """See ComputeDriver; with the new flavor it may be a pVM or not."""
        self._decide_again(instance)
        if persistence.is_pvm(instance):
            # On the same host there was room for it before it was stopped.
            self._admission.admit(self.servers.of(instance), (
                migration.source_compute == migration.dest_compute))
        super().finish_migration(context, migration, instance, *args,
                                 **kwargs)

    @_signed_as_in_nova
    def finish_revert_migration(self, context: nova_context.RequestContext,
                                instance: objects.Instance, *args: Any,
                                **kwargs: Any) -> None:
        """See ComputeDriver; Nova also calls it after a crash."""
        if persistence.is_pvm(instance):
            server = self.servers.of(instance)
            if server.is_active() or server.may_be_proven():
                LOG.info('Nothing to be reverted, the server was not stopped',
                         instance=instance)
                return
        self._decide_again(instance)
        if persistence.is_pvm(instance):
            self._admission.admit(self.servers.of(instance),
                                  room_is_reserved=True)
        super().finish_revert_migration(context, instance, *args, **kwargs)

    def _decide_again(self, instance: objects.Instance) -> None:
        self._admission.decide_again(instance)
        if persistence.is_pvm(instance):
            self.servers.add(instance.uuid)

    def _resume_guest_after_snapshot(
            self, context: nova_context.RequestContext, live_snapshot: bool,
            original_power_state: int, instance: objects.Instance,
            guest: libvirt_guest.Guest) -> None:
        # LibvirtDriver would launch the domain, which boots it afresh.
        if not persistence.is_pvm(instance):
            super()._resume_guest_after_snapshot(
                context, live_snapshot, original_power_state, instance, guest)
        elif self._needs_suspend_resume_for_snapshot(live_snapshot,
                                                     original_power_state):
            try:
                recovery.resume_suspended(self, context, instance)
            except Exception:
                # It ran before, and shall run again.
                self.recoveries.add(instance.uuid)
                raise

    def unpause(self, instance: objects.Instance) -> None:
        """See ComputeDriver."""
        if not persistence.is_pvm(instance):
            return super().unpause(instance)
        server = self.servers.of(instance)
        with server.lock:
            if server.waits_for_state():
                raise nova_exception.InstanceFaultRollback(
                    exception.NotPossible(
                        reason='The server is still to be recovered after an '
                               'outage; wait until that has ended'))
            guest = server.guest()
            # It may have been recovered meanwhile. Otherwise the host has not
            # booted since it was paused.
            since = server.fixated_at() or clock.Instant.now()
            guest.resume()
        agent.catch_up(guest, since)

    def suspend(self, context: nova_context.RequestContext,
                instance: objects.Instance) -> None:
        """See ComputeDriver; by a fixation, however large the memory is."""
        if not persistence.is_pvm(instance):
            return super().suspend(context, instance)
        server = self.servers.of(instance)
        with server.lock:
            suspend.suspend(server, lambda: self._destroy(instance))

    def resume(self, context: nova_context.RequestContext,
               instance: objects.Instance, network_info: Any,
               block_device_info: Any = None, share_info: Any = None) -> None:
        """See ComputeDriver; as after a power cut."""
        if not persistence.is_pvm(instance):
            return super().resume(context, instance, network_info,
                                  block_device_info, share_info)
        try:
            recovery.resume_suspended(self, context, instance)
        except Exception as exc:
            if self.servers.of(instance).may_be_proven():
                # It stays suspended.
                raise nova_exception.InstanceFaultRollback(exc)
            raise

    def resume_state_on_host_boot(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, network_info: Any, share_info: Any,
            block_device_info: Any = None) -> None:
        """See ComputeDriver; what has a state to run on from is left alone.

        It is suspended, or recovered without Nova's help.
        """
        if persistence.is_pvm(instance) and (
                self.recoveries.is_pending(instance.uuid) or
                self.servers.of(instance).may_be_proven()):
            return
        super().resume_state_on_host_boot(
            context, instance, network_info, share_info, block_device_info)

    @_signed_as_in_nova
    def power_on(self, context: nova_context.RequestContext,
                 instance: objects.Instance, *args: Any,
                 **kwargs: Any) -> None:
        """See ComputeDriver; waits for a pVM's storage without its lock.

        A pVM that had run before its start was recorded is recovered as soon
        as that is.
        """
        if persistence.is_pvm(instance):
            server = self.servers.of(instance)
            if server.waits_for_state():
                ownership.confirm_here(context, instance.uuid)
                self.servers.add(instance.uuid)
                self.recoveries.add(instance.uuid)
                return
            storage.wait(server)
        super().power_on(context, instance, *args, **kwargs)

    def power_off(self, instance: objects.Instance, timeout: int = 0,
                  retry_interval: int = 0) -> None:
        """See ComputeDriver; a pVM's memory is meaningless from then on."""
        if not persistence.is_pvm(instance):
            return super().power_off(instance, timeout, retry_interval)
        server = self.servers.of(instance)
        with server.lock:
            if server.is_proven():
                events.given_up(instance, 'it is stopped')
            super().power_off(instance, timeout, retry_interval)
            server.discard_state()
            former.forget(instance)

    def get_available_resource(self, nodename: str) -> Any:
        """See ComputeDriver; adds the memory that pVMs have in NVRAM.

        Nova's resource tracker subtracts the memory of all servers' flavors
        from it. Without that a host full of pVMs would look full, and
        weighers would send ordinary servers elsewhere.
        """
        data = super().get_available_resource(nodename)
        try:
            sizes = regions.memory_sizes(PCONF.temporality.pool_path)
        except vpm.VpmError as exc:
            LOG.warning('The memory of persistent servers is missing in what '
                        'is reported of this host: %s', exc)
            sizes = {}
        data['memory_mb'] += sum(
            size // units.Mi for name, size in sizes.items()
            if self.servers.knows(name))
        return data

    def update_provider_tree(
            self, provider_tree: nova_provider_tree.ProviderTree,
            nodename: str, allocations: Any = None) -> None:
        """See ComputeDriver; adds the pool's NVRAM and our trait."""
        super().update_provider_tree(provider_tree, nodename,
                                     allocations=allocations)
        # Called once a minute.
        self.servers.record_again()
        info = regions.pool_info(PCONF.temporality.pool_path)
        total = info.total_size // units.Mi
        # What was freed is not scrubbed yet.
        reserved = -(-info.freed_size // units.Mi)
        if self._readiness.problem_for_placement() or (
                not self._admission.has_room()):
            # What servers have stays theirs; nothing is left for more.
            used = -(-(info.used_size - info.freed_size) // units.Mi)
            reserved = max(0, total - used)
        inventory = dict(provider_tree.data(nodename).inventory)
        inventory[resources.NVRAM_MB] = {
            'total': total, 'min_unit': 1, 'max_unit': total, 'step_size': 1,
            'allocation_ratio': 1.0, 'reserved': reserved}
        provider_tree.update_inventory(nodename, inventory)
        provider_tree.add_traits(nodename, resources.TRAIT)
        self.provider_tree = copy.deepcopy(provider_tree)

    def _tell_placement(self) -> None:
        # What Nova does once a minute. There is no public way to ask for it.
        self.virtapi._compute.update_available_resource(
            nova_context.get_admin_context())

    def pre_live_migration(self, context: nova_context.RequestContext,
                           instance: objects.Instance,
                           block_device_info: Any, network_info: Any,
                           disk_info: Any, migrate_data: Any) -> Any:
        """See ComputeDriver; makes ready for the memory."""
        if persistence.is_pvm(instance):
            server = self.servers.of(instance)
            self.servers.add(server.uuid)
            with server.lock:
                try:
                    live_migration.prepare_destination(
                        context, self._admission, server)
                except BaseException:
                    self._free(server)
                    raise
        return super().pre_live_migration(
            context, instance, block_device_info, network_info, disk_info,
            migrate_data)

    def _live_migration_operation(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, dest: str, block_migration: bool,
            migrate_data: Any, guest: libvirt_guest.Guest,
            device_names: Any) -> None:
        if persistence.is_pvm(instance):
            guest = live_migration.MovingGuest(guest._domain, context,
                                               self.servers.of(instance))
        super()._live_migration_operation(
            context, instance, dest, block_migration, migrate_data, guest,
            device_names)

    def _live_migration_monitor(self, context: nova_context.RequestContext,
                                instance: objects.Instance,
                                guest: libvirt_guest.Guest,
                                *args: Any) -> None:
        if not persistence.is_pvm(instance):
            super()._live_migration_monitor(context, instance, guest, *args)
            return
        # It may have to let vCPUs run that it has paused.
        guest = pvm_guest.RunGuest(guest._domain)
        with live_migration.without_post_copy():
            super()._live_migration_monitor(context, instance, guest, *args)

    def _is_post_copy_enabled(self, migration_flags: int) -> bool:
        return live_migration.may_post_copy() and bool(
            super()._is_post_copy_enabled(migration_flags))

    def rollback_live_migration_at_destination(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, network_info: Any,
            block_device_info: Any, destroy_disks: bool = True,
            migrate_data: Any = None) -> None:
        """See ComputeDriver; the NVRAM goes with the domain."""
        try:
            super().rollback_live_migration_at_destination(
                context, instance, network_info, block_device_info,
                destroy_disks, migrate_data)
        finally:
            if persistence.is_pvm(instance):
                binding.forget(context, instance.uuid)

    def post_live_migration_at_source(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, network_info: Any) -> None:
        """See ComputeDriver; gives the NVRAM back, scrubbed."""
        super().post_live_migration_at_source(context, instance,
                                              network_info)
        if persistence.is_pvm(instance):
            server = self.servers.of(instance)
            self.servers.remove(server.uuid)
            with server.lock:
                live_migration.left(server)

    def post_live_migration_at_destination(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, network_info: Any,
            block_migration: bool = False,
            block_device_info: Any = None) -> None:
        """See ComputeDriver; from now on it can be fixated here."""
        super().post_live_migration_at_destination(
            context, instance, network_info, block_migration,
            block_device_info)
        if persistence.is_pvm(instance):
            server = self.servers.of(instance)
            with server.lock:
                live_migration.arrived(context, server)

    def check_can_live_migrate_destination(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, src_compute_info: Any,
            dst_compute_info: Any, block_migration: bool = False,
            disk_over_commit: bool = False) -> Any:
        """See ComputeDriver."""
        if persistence.is_pvm(instance):
            live_migration.check_destination(self._admission,
                                             self.servers.of(instance))
        return super().check_can_live_migrate_destination(
            context, instance, src_compute_info, dst_compute_info,
            block_migration, disk_over_commit)

    def check_can_live_migrate_source(
            self, context: nova_context.RequestContext,
            instance: objects.Instance, dest_check_data: Any,
            block_device_info: Any = None) -> Any:
        """See ComputeDriver."""
        if not persistence.is_pvm(instance):
            return super().check_can_live_migrate_source(
                context, instance, dest_check_data, block_device_info)
        live_migration.check_source(self._host, self.servers.of(instance))
        data = super().check_can_live_migrate_source(
            context, instance, dest_check_data, block_device_info)
        # Makes Nova clean up the target after a failure, which it does not
        # where the disks are shared; without devices it says nothing else.
        data.target_mdevs = {}
        return data

    def emit_event(self, event: virtevent.InstanceEvent) -> None:
        """See ComputeDriver; keeps a fixation from looking like a pause.

        Nova would save the power state PAUSED, and after the outage not know
        that the server ran. Pauses on a tenant's behalf are recorded by
        Nova itself.
        """
        if isinstance(event, virtevent.LifecycleEvent) and (
                event.get_transition() == virtevent.EVENT_LIFECYCLE_PAUSED
                and self.servers.knows(event.get_instance_uuid())):
            LOG.debug('Not telling Nova that pVM %s stands still',
                      event.get_instance_uuid())
            return
        super().emit_event(event)
        if isinstance(event, libvirtevent.DeviceRemovedEvent) and (
                self.servers.knows(event.uuid)):
            unplugged.follow(self.servers.of(
                objects.Instance(uuid=event.uuid)))

    # -- where LibvirtDriver makes and starts domains -------------------------

    def _get_guest_config(self, instance: objects.Instance,
                          network_info: Any,
                          image_meta: objects.ImageMeta, disk_info: Any,
                          rescue: Any = None, block_device_info: Any = None,
                          context: nova_context.RequestContext | None = None,
                          mdevs: Any = None, accel_info: Any = None,
                          share_info: Any = None, old_guest: Any = None) -> (
                              vconfig.LibvirtConfigGuest):
        guest = super()._get_guest_config(
            instance, network_info, image_meta, disk_info, rescue,
            block_device_info, context, mdevs, accel_info, share_info,
            old_guest)
        if not persistence.is_pvm(instance):
            return guest
        server = self.servers.of(instance)
        region = self._admission.admit(server)
        return pvm_domain.PersistentGuest(
            guest, server.binding(), server.spec, genid.of(instance),
            server.cells(),
            paging_directory=region.directory if region.is_vpm else None,
            is_watched=server.is_watched)

    def _create_guest(self, context: nova_context.RequestContext, xml: str,
                      instance: objects.Instance, power_on: bool = True,
                      pause: bool = False,
                      post_xml_callback: abc.Callable[[], Any] | None = None
                      ) -> libvirt_guest.Guest:
        if not persistence.is_pvm(instance):
            return super()._create_guest(context, xml, instance, power_on,
                                         pause, post_xml_callback)
        server = self.servers.of(instance)
        with server.lock:
            server.prepare_boot()
            # Started paused, so that no vCPU runs before its machine is on
            # record.
            guest = super()._create_guest(
                context, xml, instance, power_on, pause or power_on,
                post_xml_callback)
            guest = pvm_guest.RunGuest(guest._domain)
            if power_on or pause:
                try:
                    server.check_pager()
                except runs.PagerMissing:
                    guest.poweroff()
                    raise
                server.record_domain()
            if power_on and not pause:
                try:
                    guest.resume(confirm=server.confirm)
                except (exception.NotOwner, exception.Gone):
                    # It would keep the disks from whoever has it now.
                    guest.poweroff()
                    raise
        return guest

    def _get_existing_domain_xml(self, instance: objects.Instance,
                                 *args: Any, **kwargs: Any) -> str:
        xml = super()._get_existing_domain_xml(instance, *args, **kwargs)
        if persistence.is_pvm(instance):
            # What is kept for later must not wait for a state.
            xml = pvm_domain.without_incoming(
                xml, self.servers.of(instance).recover_socket)
        return xml
