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

"""Migrating running pVMs to another host.

QEMU copies the memory into a region of the target's pool. While it does, a
pVM cannot be fixated, for QEMU does one migration at a time; should power fail
meanwhile, its state is not proven. Neither host may have a proven state of it
until it runs there for good, so that it never runs twice.
"""

import contextlib

import libvirt
from nova.compute import power_state
from nova import exception as nova_exception
from nova.virt.libvirt import guest as libvirt_guest
from oslo_log import log as logging
from oslo_utils import units

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.spec import persistence
from nova_temporality.virt import binding
from nova_temporality.virt import budget
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import guest as pvm_guest
from nova_temporality import vpm
from nova_temporality.vpm import lease

PCONF = conf.CONF
LOG = logging.getLogger(__name__)

# Neither must vCPUs run on two hosts' memory, nor be slowed down unasked.
_REFUSED_FLAGS = (libvirt.VIR_MIGRATE_POSTCOPY |
                  libvirt.VIR_MIGRATE_AUTO_CONVERGE)


class _MovingGuest(libvirt_guest.Guest):
    """A pVM's guest that is migrated into another host's memory.

    :param here: place.Place
    :param size: bytes of its memory
    """

    def __init__(self, domain, context, here, size):
        super().__init__(domain)
        self._context = context
        self._here = here
        self._size = size

    def migrate(self, destination, migrate_uri=None, migrate_disks=None,
                destination_xml=None, flags=0, bandwidth=0, parallel=0):
        """See Guest."""
        there = binding.announced(self._context, self._here.name)
        xml = pvm_domain.moved(destination_xml, self._size, self._here, there)
        pool_path = PCONF.temporality.pool_path
        runs.begin_move(pool_path, self._here.run_dir, self._here.name)
        try:
            super().migrate(
                destination, migrate_uri=migrate_uri,
                migrate_disks=migrate_disks, destination_xml=xml,
                flags=flags & ~_REFUSED_FLAGS, bandwidth=bandwidth,
                parallel=parallel)
        finally:
            runs.end_move(self._here.run_dir, self._here.name)


class MigratingMixin:
    """The driver's methods that migrate running servers."""

    # -- before anything happens ----------------------------------------------

    def check_can_live_migrate_destination(self, context, instance,
                                           src_compute_info, dst_compute_info,
                                           block_migration=False,
                                           disk_over_commit=False):
        """See ComputeDriver."""
        if persistence.is_pvm(instance):
            try:
                self._check_cache_mode(instance.flavor)
                self._check_room(instance, instance.flavor)
            except (exception.NotPossible,
                    nova_exception.ComputeResourcesUnavailable) as exc:
                # Nova tries another host.
                raise nova_exception.MigrationPreCheckError(
                    reason=exc.format_message())
        return super().check_can_live_migrate_destination(
            context, instance, src_compute_info, dst_compute_info,
            block_migration, disk_over_commit)

    def check_can_live_migrate_source(self, context, instance,
                                      dest_check_data,
                                      block_device_info=None):
        """See ComputeDriver."""
        if not persistence.is_pvm(instance):
            return super().check_can_live_migrate_source(
                context, instance, dest_check_data, block_device_info)
        if self._is_paged(instance):
            # Every page would be read in at the source, and pushed out again
            # at the target, while the guest waits for its own.
            raise nova_exception.MigrationPreCheckError(
                reason='a server with less NVRAM than memory cannot be '
                'migrated live; migrate it cold')
        self._check_vcpus(instance)
        data = super().check_can_live_migrate_source(
            context, instance, dest_check_data, block_device_info)
        # Makes Nova clean up the target after a failure, which it does not
        # where the disks are shared; without devices it says nothing else.
        data.target_mdevs = {}
        return data

    def _check_vcpus(self, instance):
        """Refuse to let QEMU copy memory that emulated vCPUs write.

        It was seen to lose some of it, with QEMU 10.0.2; by its source
        (migration/ram.c, where the block's offset is missing) because the
        memory is not the first that it has made: that is libvirt's.

        :raises: MigrationPreCheckError
        """
        guest = self._host.get_guest(instance)
        if (pvm_domain.is_emulated(guest.get_xml_desc()) and
                guest.get_power_state(self._host) == power_state.RUNNING):
            raise nova_exception.MigrationPreCheckError(
                reason="QEMU would lose some of what emulated vCPUs ([libvirt]"
                " virt_type is 'qemu') write meanwhile; pause the server "
                'first, or migrate it cold')

    # -- the target -----------------------------------------------------------

    def pre_live_migration(self, context, instance, block_device_info,
                           network_info, disk_info, migrate_data):
        """See ComputeDriver; makes ready for the memory."""
        if persistence.is_pvm(instance):
            self._pvms.add(instance.uuid)
            try:
                self._make_ready(context, instance)
            except BaseException:
                self._free(instance)
                raise
        return super().pre_live_migration(
            context, instance, block_device_info, network_info, disk_info,
            migrate_data)

    def rollback_live_migration_at_destination(self, context, instance,
                                               network_info,
                                               block_device_info,
                                               destroy_disks=True,
                                               migrate_data=None):
        """See ComputeDriver; the NVRAM goes with the domain."""
        try:
            super().rollback_live_migration_at_destination(
                context, instance, network_info, block_device_info,
                destroy_disks, migrate_data)
        finally:
            if persistence.is_pvm(instance):
                binding.forget(context, instance.uuid)

    def _make_ready(self, context, instance):
        self._admit(instance)
        pool_path = PCONF.temporality.pool_path
        run_dir = PCONF.temporality.run_dir
        runs.prepare_boot(pool_path, run_dir, instance.uuid,
                          self._qemu_gid(),
                          budget.priority_of(instance.flavor))
        # libvirt lets the vCPUs run as soon as all is there. So the epoch
        # begins now, and nothing is fixated until they do.
        runs.begin_move(pool_path, run_dir, instance.uuid)
        binding.announce(context, self._place(instance))

    def post_live_migration_at_destination(self, context, instance,
                                           network_info,
                                           block_migration=False,
                                           block_device_info=None):
        """See ComputeDriver; from now on it can be fixated here."""
        super().post_live_migration_at_destination(
            context, instance, network_info, block_migration,
            block_device_info)
        if persistence.is_pvm(instance):
            self._record_domain(instance)
            runs.end_move(PCONF.temporality.run_dir, instance.uuid)
            binding.forget(context, instance.uuid)

    # -- the source -----------------------------------------------------------

    def _live_migration_operation(self, context, instance, dest,
                                  block_migration, migrate_data, guest,
                                  device_names):
        if persistence.is_pvm(instance):
            guest = _MovingGuest(guest._domain, context,
                                 self._place(instance),
                                 instance.flavor.memory_mb * units.Mi)
        super()._live_migration_operation(
            context, instance, dest, block_migration, migrate_data, guest,
            device_names)

    def _live_migration_monitor(self, context, instance, guest, *args):
        if persistence.is_pvm(instance):
            # It may have to let vCPUs run that it has paused.
            guest = pvm_guest.RunGuest(guest._domain)
        super()._live_migration_monitor(context, instance, guest, *args)

    def post_live_migration_at_source(self, context, instance, network_info):
        """See ComputeDriver; gives the NVRAM back, scrubbed."""
        super().post_live_migration_at_source(context, instance,
                                              network_info)
        if not persistence.is_pvm(instance):
            return
        self._pvms.discard(instance.uuid)
        try:
            with contextlib.suppress(vpm.NotFound):
                regions.reclaim(PCONF.temporality.pool_path,
                                PCONF.temporality.run_dir, instance.uuid)
        except (lease.RegionInUse, vpm.VpmError) as exc:
            # It runs elsewhere, come what may.
            LOG.error('Its NVRAM on this host is not free: %s; once the '
                      'reason is gone, "temporality region gc" frees it',
                      exc, instance=instance)

    def _place(self, instance):
        region = regions.lookup(PCONF.temporality.pool_path, instance.uuid)
        return binding.Place(region.memory_path, region.uid, self._qemu_gid(),
                             PCONF.temporality.run_dir, instance.uuid)
