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

Set ``[DEFAULT] compute_driver = temporality.TemporalityDriver``. Servers
that nobody wants to be persistent pass through LibvirtDriver untouched.
"""

import copy
import grp
import threading

from nova.compute import power_state
from nova.compute import vm_states
import nova.conf
from nova import exception as nova_exception
from nova.virt import event as virtevent
from oslo_log import log as logging
from oslo_utils import units

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import paths
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.spec import max_outage
from nova_temporality.spec import persistence
from nova_temporality.spec import resources
from nova_temporality.spec import sizing
from nova_temporality.virt.actions import live_migration
from nova_temporality.virt.actions import resize
from nova_temporality.virt.actions import suspend
from nova_temporality.virt.actions import volumes
from nova_temporality.virt import agent
from nova_temporality.virt import budget
from nova_temporality.virt import checks
from nova_temporality.virt import conductor
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import domain_record
from nova_temporality.virt import genid
from nova_temporality.virt import guest as pvm_guest
from nova_temporality.virt.recovery import lost_memory
from nova_temporality.virt import startup
from nova_temporality.virt import versions
from nova_temporality import vpm
from nova_temporality.vpm import lease

CONF = nova.conf.CONF
PCONF = conf.CONF
LOG = logging.getLogger(__name__)


# In which a server that is fixated ran.
_RUNNING_VM_STATES = (vm_states.ACTIVE, vm_states.RESCUED, vm_states.RESIZED)

# What disks are to libvirt; all other types of images are files.
_SOURCE_TYPES = {'lvm': 'block', 'rbd': 'network'}


class TemporalityDriver(suspend.SuspendingMixin, resize.ResizingMixin,
                        live_migration.MigratingMixin, volumes.VolumesMixin,
                        startup.Startup):
    """LibvirtDriver whose servers may be pVMs."""

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        # servers whose domain is destroyed only to be made again
        self._rebooting = set()
        self._pvms = set()
        self._admission_lock = threading.Lock()
        # Servers that give their region back, and get it again: there was
        # room for them.
        self._returning = set()

    # -- the host -------------------------------------------------------------

    def init_host(self, host):
        """See ComputeDriver; refuses to start without a sound pool.

        Nor does it with a libvirt or QEMU older than what was tested. Without
        the pool pVMs could not be recovered, and Nova would take them for
        servers that were shut down.
        """
        super().init_host(host)
        pool_path = PCONF.temporality.pool_path
        self._qemu_gid()
        try:
            info = regions.pool_info(pool_path)
        except vpm.VpmError as exc:
            raise nova_exception.InvalidConfiguration(
                'The NVRAM pool %s cannot be used: %s. Persistent servers '
                'stay as they are until nova-compute is started with its '
                'pool in place; see "temporality pool check".' %
                (pool_path, exc))
        self._check_versions()
        LOG.info('NVRAM pool %(path)s on %(medium)s: %(used)d of %(total)d '
                 'MiB in use by %(count)d servers',
                 {'path': pool_path, 'medium': info.medium,
                  'used': info.used_size // units.Mi,
                  'total': info.total_size // units.Mi,
                  'count': info.used_descriptors})

    def _check_versions(self):
        problem = versions.problem(versions.found(
            self._host.get_connection()))
        if problem:
            raise nova_exception.InvalidConfiguration(
                'Persistent servers cannot be run: %s' % problem)

    @staticmethod
    def _look_for_orphans(instances):
        known = {instance.uuid for instance in instances}
        for name in regions.names(PCONF.temporality.pool_path):
            if name in known:
                continue
            if conductor.ask(name) == conductor.ELSEWHERE:
                # Of a live migration that failed, or was not seen to end.
                try:
                    regions.reclaim(PCONF.temporality.pool_path,
                                    PCONF.temporality.run_dir, name)
                    LOG.warning('Freed the NVRAM of server %s, which is on '
                                'another host', name)
                except (lease.RegionInUse, vpm.VpmError) as exc:
                    LOG.error('Cannot free the NVRAM of server %s, which is '
                              'on another host: %s', name, exc)
            else:
                LOG.warning('The NVRAM pool has a region of server %s, which '
                            'Nova does not have on this host. It is kept; '
                            '"temporality region gc" frees it if Nova says '
                            'that the server is gone.', name)

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        """See LibvirtDriver; adds the pool's NVRAM and our trait."""
        super().update_provider_tree(provider_tree, nodename,
                                     allocations=allocations)
        info = regions.pool_info(PCONF.temporality.pool_path)
        total = info.total_size // units.Mi
        # What was freed is not scrubbed yet.
        reserved = -(-info.freed_size // units.Mi)
        if not budget.has_room(PCONF.temporality.pool_path,
                               PCONF.temporality.run_dir,
                               PCONF.temporality.hold_up_ms):
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

    # -- from the wish to the running server ----------------------------------

    def spawn(self, context, instance, image_meta, injected_files,
              admin_password, allocations, network_info=None,
              block_device_info=None, power_on=True, accel_info=None):
        """See ComputeDriver; decides whether the server is a pVM."""
        if self._decide(instance):
            self._check_request(instance, instance.flavor, image_meta,
                                network_info)
            budget.check_priority(instance.flavor)
            # Before its disks are made; again with the domain, to which other
            # ways lead.
            self._admit(instance)
        super().spawn(context, instance, image_meta, injected_files,
                      admin_password, allocations, network_info=network_info,
                      block_device_info=block_device_info, power_on=power_on,
                      accel_info=accel_info)

    def _admit(self, instance):
        """Give a pVM its region if it fits into the energy budget.

        :returns: the region
        :raises nova.exception.ComputeResourcesUnavailable: Placement was out
            of step; another host may have room
        """
        # Of two at a time, the second counts the first.
        with self._admission_lock:
            if instance.uuid not in self._returning:
                self._check_room(instance, instance.flavor)
            try:
                return self._ensure_region(instance)
            except vpm.PoolFull as exc:
                raise nova_exception.ComputeResourcesUnavailable(
                    reason=str(exc))
            finally:
                self._returning.discard(instance.uuid)

    @staticmethod
    def _check_room(instance, flavor):
        budget.check_room(instance, flavor, PCONF.temporality.pool_path,
                          PCONF.temporality.run_dir,
                          PCONF.temporality.hold_up_ms)

    def rebuild(self, context, instance, image_meta, injected_files,
                admin_password, allocations, bdms, detach_block_devices,
                attach_block_devices, network_info=None, evacuate=False,
                block_device_info=None, preserve_ephemeral=False,
                accel_uuids=None, reimage_boot_volume=False):
        """See ComputeDriver; refuses before anything is destroyed.

        What is not refused is left to Nova, which destroys and spawns.
        """
        if not evacuate:
            try:
                self._check_rebuild(instance, image_meta, network_info)
            except exception.NotPossible as exc:
                raise nova_exception.InstanceFaultRollback(exc)
        if persistence.is_pvm(instance):
            if evacuate:
                self._check_room(instance, instance.flavor)
            else:
                self._returning.add(instance.uuid)
        raise NotImplementedError()

    def _check_rebuild(self, instance, image_meta, network_info):
        self._refuse_to_change_sides(instance, self._asked(instance))
        if persistence.is_pvm(instance):
            self._check_request(instance, instance.flavor, image_meta,
                                network_info)

    @staticmethod
    def _refuse_to_change_sides(instance, wanted):
        if persistence.frozen(instance) is False and wanted:
            # from an image that asks for it
            raise exception.NotPossible(
                reason='The server was created without persistence, and a '
                       'rebuild cannot make it persistent; create a new one')

    @staticmethod
    def _asked(instance):
        try:
            return persistence.asked(
                instance.flavor.extra_specs, instance.system_metadata,
                instance.metadata, PCONF.temporality.allow_server_property)
        except persistence.BadWish as exc:
            raise exception.NotPossible(reason=str(exc))

    def _check_request(self, instance, flavor, image_meta, network_info):
        checks.check_request(instance, flavor, image_meta, network_info,
                             CONF.libvirt.virt_type)
        self._check_cache_mode(flavor)
        try:
            max_outage.max_outage(flavor.extra_specs)
        except max_outage.BadLimit as exc:
            raise exception.NotPossible(reason=str(exc))

    def _decide(self, instance):
        wanted = self._asked(instance)
        self._refuse_to_change_sides(instance, wanted)
        if persistence.frozen(instance) is None:
            persistence.freeze(instance, wanted, persistence.own_wish(
                instance.system_metadata, instance.metadata))
            if wanted:
                # Before NVRAM is taken. An ordinary server's is saved by
                # Nova, like all that it notes on it.
                instance.save()
        if persistence.is_pvm(instance):
            self._pvms.add(instance.uuid)
        return persistence.is_pvm(instance)

    def _get_guest_config(self, instance, network_info, image_meta,
                          disk_info, rescue=None, block_device_info=None,
                          context=None, mdevs=None, accel_info=None,
                          share_info=None, old_guest=None):
        guest = super()._get_guest_config(
            instance, network_info, image_meta, disk_info, rescue,
            block_device_info, context, mdevs, accel_info, share_info,
            old_guest)
        if not persistence.is_pvm(instance):
            return guest
        region = self._admit(instance)
        return pvm_domain.PersistentGuest(
            guest, region.memory_path,
            instance.flavor.memory_mb * units.Mi, region.uid,
            self._qemu_gid(), genid.of(instance),
            paths.fixate_socket(PCONF.temporality.run_dir, instance.uuid),
            paths.watch_socket(PCONF.temporality.run_dir, instance.uuid),
            paged_in=region.directory if region.is_vpm else None)

    @staticmethod
    def _nvram_mb(flavor):
        try:
            return sizing.nvram_mb(flavor.memory_mb, flavor.extra_specs)
        except sizing.BadSize as exc:
            raise exception.NotPossible(reason=str(exc))

    def _is_paged(self, instance):
        return self._nvram_mb(instance.flavor) < instance.flavor.memory_mb

    def _check_cache_mode(self, flavor):
        if self._nvram_mb(flavor) < flavor.memory_mb:
            # Set right when the server's domain is made.
            return
        source_type = _SOURCE_TYPES.get(CONF.libvirt.images_type, 'file')
        checks.check_cache_mode(
            self.disk_cachemodes.get(source_type, self.disk_cachemode),
            source_type, '%s disks of this host' % source_type)

    def _ensure_region(self, instance):
        return regions.ensure(
            PCONF.temporality.pool_path, instance.uuid,
            instance.flavor.memory_mb * units.Mi,
            self._nvram_mb(instance.flavor) * units.Mi,
            PCONF.temporality.swap_dir,
            PCONF.temporality.vpm_page_size_kb * units.Ki,
            PCONF.temporality.vpm_policy)

    @staticmethod
    def _qemu_gid():
        """Group id that pVMs' QEMU processes run under."""
        try:
            return grp.getgrnam(PCONF.temporality.qemu_group).gr_gid
        except KeyError:
            raise nova_exception.InvalidConfiguration(
                "There is no group '%s'; set [temporality] qemu_group to the "
                "group under which libvirt runs QEMU" %
                PCONF.temporality.qemu_group)

    def _create_guest(self, context, xml, instance, power_on=True,
                      pause=False, post_xml_callback=None):
        if not persistence.is_pvm(instance):
            return super()._create_guest(context, xml, instance, power_on,
                                         pause, post_xml_callback)
        runs.prepare_boot(PCONF.temporality.pool_path,
                          PCONF.temporality.run_dir, instance.uuid,
                          self._qemu_gid(),
                          budget.priority_of(instance.flavor))
        # Started paused, so that no vCPU runs before its machine is on
        # record.
        guest = super()._create_guest(
            context, xml, instance, power_on, pause or power_on,
            post_xml_callback)
        guest = pvm_guest.RunGuest(guest._domain)
        if power_on or pause:
            self._check_pager(instance, guest)
            self._record_domain(instance)
        if power_on and not pause:
            guest.resume()
        return guest

    @staticmethod
    def _check_pager(instance, guest):
        try:
            runs.check_pager(PCONF.temporality.pool_path, instance.uuid)
        except runs.PagerMissing:
            guest.poweroff()
            raise

    def _get_existing_domain_xml(self, instance, *args, **kwargs):
        xml = super()._get_existing_domain_xml(instance, *args, **kwargs)
        if persistence.is_pvm(instance):
            # What is kept for later must not wait for a state.
            xml = pvm_domain.without_incoming(xml, paths.recover_socket(
                PCONF.temporality.run_dir, instance.uuid))
        return xml

    def _record_domain(self, instance):
        """Record the machine that a running pVM's state will fit."""
        domain_record.write(instance, self._host.get_guest(instance),
                            paths.recover_socket(PCONF.temporality.run_dir,
                                                 instance.uuid))

    # -- actions --------------------------------------------------------------

    def destroy(self, context, instance, network_info, block_device_info=None,
                destroy_disks=True, destroy_secrets=True):
        """See ComputeDriver; gives a pVM's NVRAM back, scrubbed."""
        super().destroy(context, instance, network_info, block_device_info,
                        destroy_disks, destroy_secrets=destroy_secrets)
        if (persistence.is_pvm(instance) and
                instance.uuid not in self._rebooting):
            self._free(instance)

    def _hard_reboot(self, context, instance, network_info, share_info,
                     block_device_info=None, accel_info=None):
        self._rebooting.add(instance.uuid)
        try:
            super()._hard_reboot(context, instance, network_info, share_info,
                                 block_device_info, accel_info)
        finally:
            self._rebooting.discard(instance.uuid)

    def _soft_reboot(self, instance):
        if not persistence.is_pvm(instance):
            return super()._soft_reboot(instance)
        # A domain that was shut down must not be launched as it is: its
        # memory still holds the earlier run. The hard reboot that follows
        # scrubs it.
        self._clean_shutdown(instance, CONF.libvirt.wait_soft_reboot_seconds,
                             CONF.libvirt.wait_soft_reboot_seconds)
        return False

    def power_off(self, instance, timeout=0, retry_interval=0):
        """See ComputeDriver; a pVM's memory is meaningless from then on."""
        super().power_off(instance, timeout, retry_interval)
        if persistence.is_pvm(instance):
            regions.discard_state(PCONF.temporality.pool_path, instance.uuid)

    def unpause(self, instance):
        """See ComputeDriver."""
        if not persistence.is_pvm(instance):
            return super().unpause(instance)
        guest = pvm_guest.RunGuest(self._host.get_guest(instance)._domain)
        guest.resume()
        # It may have been recovered meanwhile.
        agent.catch_up(guest)

    def attach_interface(self, context, instance, image_meta, vif):
        """See ComputeDriver."""
        super().attach_interface(context, instance, image_meta, vif)
        self._record_if_running(instance)

    def detach_interface(self, context, instance, vif):
        """See ComputeDriver."""
        super().detach_interface(context, instance, vif)
        self._record_if_running(instance)

    def _record_if_running(self, instance):
        if persistence.is_pvm(instance) and (
                self._host.get_guest(instance).is_active()):
            self._record_domain(instance)

    # -- what Nova gets to see ------------------------------------------------

    def emit_event(self, event):
        """See LibvirtDriver; keeps a fixation from looking like a pause.

        Nova would save the power state PAUSED, and after the outage not know
        that the server ran. Pauses on a tenant's behalf are recorded by
        Nova itself.
        """
        if isinstance(event, virtevent.LifecycleEvent) and (
                event.get_transition() == virtevent.EVENT_LIFECYCLE_PAUSED
                and event.get_instance_uuid() in self._pvms):
            LOG.debug('Not telling Nova that pVM %s stands still',
                      event.get_instance_uuid())
            return
        super().emit_event(event)

    def get_info(self, instance, use_cache=True):
        """See LibvirtDriver; a server that is fixated counts as running.

        One that is off because its memory is lost gets that as its fault.
        """
        info = super().get_info(instance, use_cache)
        lost_memory.notice(instance, info.state)
        if (info.state == power_state.PAUSED and
                persistence.is_pvm(instance) and
                instance.vm_state in _RUNNING_VM_STATES and
                self._is_proven(instance)):
            info.state = power_state.RUNNING
        return info
