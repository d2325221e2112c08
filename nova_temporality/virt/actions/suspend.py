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

"""Suspending pVMs and resuming them."""

from nova.compute import vm_states
from nova import exception as nova_exception
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.notifier import client
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.spec import persistence
from nova_temporality.virt.recovery import manager
from nova_temporality import vpm

PCONF = conf.CONF
LOG = logging.getLogger(__name__)


class SuspendingMixin:
    """The driver's methods that suspend and resume."""

    def suspend(self, context, instance):
        """See ComputeDriver; by a fixation, however large the memory is."""
        if not persistence.is_pvm(instance):
            return super().suspend(context, instance)
        try:
            suspension = runs.suspend(PCONF.temporality.run_dir,
                                      instance.uuid)
            LOG.info('Suspended within %(ms).1f ms',
                     {'ms': suspension.fixated_ms}, instance=instance)
        except client.NotifierError as exc:
            if self._host.get_guest(instance).is_active() or (
                    not self._is_proven(instance)):
                raise nova_exception.InstanceFaultRollback(
                    exception.NotPossible(
                        reason='Cannot suspend, it runs on: %s' % exc))
        # Its QEMU has ended; wait until libvirt has noticed.
        self._destroy(instance)

    def resume(self, context, instance, network_info, block_device_info=None,
               share_info=None):
        """See ComputeDriver; as after a power cut."""
        if not persistence.is_pvm(instance):
            return super().resume(context, instance, network_info,
                                  block_device_info, share_info)
        try:
            manager.resume_suspended(self, context, instance)
        except Exception as exc:
            if self._is_proven(instance):
                # It stays suspended.
                raise nova_exception.InstanceFaultRollback(exc)
            raise

    def resume_state_on_host_boot(self, context, instance, network_info,
                                  share_info, block_device_info=None):
        """See ComputeDriver; what is suspended stays so."""
        if persistence.is_pvm(instance) and (
                instance.vm_state == vm_states.SUSPENDED):
            return
        super().resume_state_on_host_boot(
            context, instance, network_info, share_info, block_device_info)

    @staticmethod
    def _is_proven(instance):
        try:
            regions.proven_state(PCONF.temporality.pool_path, instance.uuid)
        except vpm.VpmError:
            return False
        return True

    def _resume_guest_after_snapshot(self, context, live_snapshot,
                                     original_power_state, instance, guest):
        # LibvirtDriver would launch the domain, which boots it afresh.
        if not persistence.is_pvm(instance):
            super()._resume_guest_after_snapshot(
                context, live_snapshot, original_power_state, instance, guest)
        elif self._needs_suspend_resume_for_snapshot(live_snapshot,
                                                     original_power_state):
            manager.resume_suspended(self, context, instance)
