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

"""Resizing and migrating servers that are pVMs, or become one, or cease to.

Both are cold: the server is stopped, so its memory is of no use any more. Its
region goes when it has stopped, and another one is allocated where it starts
again. Placement keeps the NVRAM of the earlier one claimed until the resize is
confirmed, so that a revert finds room for it.
"""

import inspect

from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.privsep import regions
from nova_temporality.spec import persistence
from nova_temporality.virt import budget

PCONF = conf.CONF
LOG = logging.getLogger(__name__)


def _signed_as_in_nova(method):
    # Nova 33 hands over one argument less, and Nova checks signatures.
    method.__signature__ = inspect.signature(
        getattr(libvirt_driver.LibvirtDriver, method.__name__))
    return method


class ResizingMixin:
    """The driver's methods that resize and migrate."""

    def migrate_disk_and_power_off(self, context, instance, dest,
                                   flavor, network_info,
                                   block_device_info=None,
                                   timeout=0, retry_interval=0):
        """See ComputeDriver; refuses before anything is stopped."""
        try:
            stays = self._check_resize(instance, dest, flavor, network_info)
        except (exception.NotPossible,
                nova_exception.ComputeResourcesUnavailable) as exc:
            raise nova_exception.InstanceFaultRollback(exc)
        disk_info = super().migrate_disk_and_power_off(
            context, instance, dest, flavor, network_info, block_device_info,
            timeout, retry_interval)
        if persistence.is_pvm(instance):
            self._free(instance)
            if stays:
                self._returning.add(instance.uuid)
        return disk_info

    def _check_resize(self, instance, dest, flavor, network_info):
        """Refuse what is not possible; whether it will be a pVM of ours."""
        try:
            persistent = persistence.with_flavor(instance, flavor.extra_specs)
        except persistence.BadWish as exc:
            raise exception.NotPossible(reason=str(exc))
        if persistent:
            self._check_request(instance, flavor, instance.image_meta,
                                network_info)
            budget.check_priority(flavor)
        stays = persistent and dest == self.get_host_ip_addr()
        if stays:
            self._check_room(instance, flavor)
        return stays

    @_signed_as_in_nova
    def finish_migration(self, context, migration, instance, *args,
                         **kwargs):
        """See ComputeDriver; the new flavor may change sides."""
        self._decide_anew(instance)
        if persistence.is_pvm(instance):
            self._admit(instance)
        super().finish_migration(context, migration, instance, *args,
                                 **kwargs)

    @_signed_as_in_nova
    def finish_revert_migration(self, context, instance, *args, **kwargs):
        """See ComputeDriver; Nova also calls it after a crash."""
        if persistence.is_pvm(instance) and self._is_active(instance):
            LOG.info('Nothing to be reverted, the server was not stopped',
                     instance=instance)
            return
        self._decide_anew(instance)
        if persistence.is_pvm(instance):
            self._returning.add(instance.uuid)
        super().finish_revert_migration(context, instance, *args, **kwargs)

    def _decide_anew(self, instance):
        if persistence.frozen(instance) is None:
            # of an earlier time, without us
            persistence.freeze(instance, False)
        if persistence.refreeze(instance, instance.flavor.extra_specs):
            # Before NVRAM is taken.
            instance.save()
        if persistence.is_pvm(instance):
            self._pvms.add(instance.uuid)

    def _is_active(self, instance):
        try:
            return self._host.get_guest(instance).is_active()
        except nova_exception.InstanceNotFound:
            return False

    def _free(self, instance):
        """Give a pVM's NVRAM back, scrubbed."""
        regions.free(PCONF.temporality.pool_path, PCONF.temporality.run_dir,
                     instance.uuid)
        self._pvms.discard(instance.uuid)
