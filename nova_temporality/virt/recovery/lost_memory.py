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

"""A paged server whose QEMU was ended because of a page that is lost.

Nova would take it for one that was shut down. So whoever asks for its power
state, which Nova does upon libvirt's event, periodically and at its start,
gets it into ERROR first.
"""

from __future__ import annotations

from nova.compute import power_state
from nova.compute import vm_states
from nova import context as nova_context
from nova import objects
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.privsep import regions
from nova_temporality.spec import persistence
from nova_temporality.virt.recovery import refusal
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

_OFF = (power_state.SHUTDOWN, power_state.CRASHED)


def notice(instance: objects.Instance, state: int) -> None:
    """Put a server into ERROR if that is why it is off.

    :param instance: a server; nothing is done while Nova works on it
    :param state: the power state of its domain
    """
    if state not in _OFF or instance.task_state is not None or (
            instance.vm_state not in (vm_states.ACTIVE, vm_states.PAUSED)
            or not persistence.is_pvm(instance)):
        return
    try:
        reason = regions.lost_memory(conf.CONF.temporality.pool_path,
                                     instance.uuid)
    except vpm.VpmError as exc:
        LOG.warning('Cannot tell why it is off: %s', exc, instance=instance)
        return
    if reason:
        fault = exception.MemoryLost(reason=reason)
        LOG.error('%s', fault.format_message(), instance=instance)
        instance.power_state = state
        refusal.set_error(nova_context.get_admin_context(), instance,
                          fault)
