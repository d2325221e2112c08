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

"""Servers that are not resumed: why, and what becomes of them."""

from __future__ import annotations

import sys
import time

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import utils as compute_utils
from nova.compute import vm_states
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import recovery_log
from nova_temporality.virt import events
from nova_temporality.virt.recovery import base
from nova_temporality.virt.recovery import clock
from nova_temporality.virt.recovery import former
from nova_temporality.virt.recovery import notifications
from nova_temporality.virt.recovery import volumes
from nova_temporality import vpm

CONF = conf.CONF
LOG = logging.getLogger(__name__)

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


def tell(context: nova_context.RequestContext, uuid: str,
         exc: Exception) -> None:
    """Have "openstack server event list" show a try that failed.

    :param exc: why it failed
    """
    events.failed(context, uuid, base.ACTION, _with_text(exc))


def set_error(context: nova_context.RequestContext,
              instance: objects.Instance, exc: Exception) -> None:
    """Put a server of this host into ERROR, with an exception as its fault.

    One that Nova has on another host by now is left alone.
    """
    try:
        if _is_elsewhere(context, instance):
            LOG.warning('It is not on this host any more; its state in Nova '
                        'is left as it is', instance=instance)
            return
        compute_utils.add_instance_fault_from_exc(
            context, instance, _with_text(exc), sys.exc_info())
        former.remember(instance)
        instance.vm_state = vm_states.ERROR
        instance.task_state = None
        instance.save()
    except Exception:
        LOG.exception('Nova did not take the fault', instance=instance)


def _is_elsewhere(context: nova_context.RequestContext,
                  instance: objects.Instance) -> bool:
    try:
        fresh = objects.Instance.get_by_uuid(context, instance.uuid,
                                             expected_attrs=[])
    except nova_exception.InstanceNotFound:
        return True
    return fresh.host != instance.host


def _with_text(exc: Exception) -> Exception:
    # Of exceptions that are not its own, Nova only shows the class's name.
    if isinstance(exc, nova_exception.NovaException) or (
            hasattr(exc, 'format_message')):
        return exc
    return exception.RecoveryFailed(reason='%s: %s' % (
        type(exc).__name__, exc))


def outage_too_long(recovery: base.Recovery, state: vpm.StateInfo) -> (
        exception.OutageTooLong | None):
    """Why the outage was too long for the server; None if it was not.

    :raises ClockUnknown: the host's clock may be wrong
    """
    limit = recovery.server.spec.max_outage
    if limit is None:
        limit = CONF.temporality.max_outage
    if not limit:
        return None
    if clock.may_be_wrong(clock.Instant(state.meta.wall_ns,
                                        state.meta.signal_ns)):
        # With a flat battery the clock may have stood still for weeks, or be
        # wrong by years. So the server neither runs on nor loses its memory.
        raise exception.ClockUnknown(
            reason="nobody can tell whether the outage was longer than %d s: "
            "the host's clock is not synchronised. It is tried again; a hard "
            'reboot does not wait for that, and gives the memory up' % limit)
    dark = time.time() - state.meta.wall_ns / 1e9
    if 0 <= dark <= limit:
        return None
    if dark < 0:
        reason = ("nobody can tell whether the outage was longer than %d "
                  "s: the host's clock is behind that of its beginning" %
                  limit)
    else:
        reason = ('the outage of %d s was longer than %d s' %
                  (dark, limit))
    return exception.OutageTooLong(reason=reason)


def unproven(recovery: base.Recovery, reason: Exception) -> (
        nova_exception.NovaException | None):
    """Why a server without a proven state is given up; None if it is not.

    :param reason: why it has none
    """
    if not recovery.is_being_booted and (
            _is_off(recovery) or
            recovery.instance.task_state in _STOPPED_BY_NOVA):
        return None
    lost = recovery.server.lost_memory()
    return (exception.MemoryLost(reason=lost) if lost else
            exception.StateUnproven(reason=str(reason)))


def _is_off(recovery: base.Recovery) -> bool:
    """Whether it was dealt with before, or was off already."""
    instance = recovery.instance
    return instance.vm_state == vm_states.ERROR or (
        instance.power_state == power_state.SHUTDOWN and
        not recovery.is_being_resumed())


def may_boot(recovery: base.Recovery,
             exc: nova_exception.NovaException) -> bool:
    """Whether a server that is given up is booted afresh.

    :param exc: why it is given up
    """
    # A reboot would be the end of a rescue.
    return recovery.instance.vm_state != vm_states.RESCUED and (
        isinstance(exc, exception.OutageTooLong) or
        CONF.temporality.on_unproven_state == 'cold-boot')


def give_up(recovery: base.Recovery, exc: nova_exception.NovaException,
            cold_boot: bool) -> None:
    """Boot a server afresh, or leave it off; tell why.

    :param exc: why
    """
    instance = recovery.instance
    LOG.error('%(why)s %(what)s',
              {'why': exc.format_message(),
               'what': 'Booting it afresh now.' if cold_boot else
               'It is left off.'}, instance=instance)
    try:
        with recovery.action():
            raise exc
    except type(exc):
        notifications.not_resumed(recovery.context, instance, exc)
        if cold_boot:
            compute_utils.add_instance_fault_from_exc(
                recovery.context, instance, exc, sys.exc_info())
            recovery.confirm()
            _cold_boot(recovery)
            recovery.course.ended(recovery_log.BOOTED, exc,
                                  exc.format_message())
            return
        instance.power_state = power_state.SHUTDOWN
        if instance.vm_state in (vm_states.RESCUED, vm_states.RESIZED):
            # ERROR would be in the way of unrescue, confirm and revert,
            # which boot it afresh or tell that it is off.
            recovery.server.discard_state()
            instance.save()
        else:
            set_error(recovery.context, instance, exc)
        recovery.course.ended(recovery_log.OFF, exc, exc.format_message())


def _cold_boot(recovery: base.Recovery) -> None:
    instance = recovery.instance
    recovery.driver.recoveries.booting.add(instance.uuid)
    # Nova's power sync leaves a server alone that something is done with.
    instance.task_state = task_states.REBOOT_STARTED_HARD
    instance.save()
    with recovery.server.boot_confirmed(recovery.confirm):
        recovery.driver._hard_reboot(
            recovery.context, instance, instance.get_network_info(),
            objects.ShareMappingList(),
            volumes.attached(instance, recovery.bdms()))
    finish_boot(recovery)


def finish_boot(recovery: base.Recovery) -> None:
    """Have Nova know that a server was booted afresh.

    If Nova does not take it, the next try begins here.
    """
    instance = recovery.instance
    instance.power_state = recovery.power_state()
    if instance.vm_state != vm_states.RESIZED:
        instance.vm_state = vm_states.ACTIVE
    instance.task_state = None
    former.forget(instance)
    instance.save()
