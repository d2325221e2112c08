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

"""The recovery of one pVM after an outage: it runs on.

A pVM whose domain is gone and whose state is proven gets an empty QEMU on
the same memory, which loads the state and runs on. One whose state is not
proven is never resumed. One whose domain is there is not touched: then only
nova-compute was restarted. One that is suspended stays so.
"""

from __future__ import annotations

from collections import abc
import contextlib
import threading
from typing import TypeAlias

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.host import recovery_log
from nova_temporality.spec import persistence
from nova_temporality.virt.actions import suspend
from nova_temporality.virt import binding
from nova_temporality.virt.recovery import base
from nova_temporality.virt.recovery import clock
from nova_temporality.virt.recovery import former
from nova_temporality.virt.recovery import moved
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt.recovery import refusal
from nova_temporality.virt.recovery import resume
from nova_temporality import vpm

CONF = nova.conf.CONF

# Seconds after which it is told that storage does not answer.
_SILENCE = 60.0

# What a server is brought back by: its state, or, as that cannot be, a boot;
# then it is why.
_How: TypeAlias = vpm.StateInfo | nova_exception.NovaException

LOG = logging.getLogger(__name__)

# What ran, or stood still in its QEMU, when the power failed.
_LIVE_VM_STATES = (vm_states.ACTIVE, vm_states.PAUSED, vm_states.ERROR,
                   vm_states.RESCUED, vm_states.RESIZED)


def is_live(instance: objects.Instance) -> bool:
    """Whether a pVM of this host may have to be recovered.

    :param instance: as it was read when nova-compute started
    """
    return (instance.host == CONF.host and
            instance.task_state != task_states.DELETING and
            (instance.vm_state in _LIVE_VM_STATES or
             former.is_being_resumed(instance) or
             former.is_being_started(instance)))


def look(driver: libvirt_driver.LibvirtDriver,
         instance: objects.Instance) -> None:
    """Do what must not wait when nova-compute starts.

    It may have ended in the midst of a live migration, of which Nova forgets
    the task just now, or of a change of a machine: then the pVM is protected
    again.

    :param driver: TemporalityDriver
    :param instance: a pVM that is_live()
    """
    moved.look(nova_context.get_admin_context(), instance)
    server = driver.servers.of(instance)
    with server.lock:
        if server.is_active() and not server.is_recovering() and not (
                binding.is_announced(instance)):
            server.try_to_record(only_if_changed=True)
            server.rearm(notes.CHANGES)


def recover(driver: libvirt_driver.LibvirtDriver,
            context: nova_context.RequestContext, uuid: str,
            clock_deadline: float) -> None:
    """Recover a pVM if that is still to be done.

    :param driver: TemporalityDriver
    :param uuid: of the server
    :param clock_deadline: of time.monotonic(), until which the clock may
                           become synchronised if it matters
    :raises NotOwner: it may be another host's; to be tried again
    :raises Gone: it is not this host's any more
    :raises Exception: it is not brought back; to be tried again
    """
    server = driver.servers.of(_confirm(driver, context, uuid))

    def look(later: tuple[type[Exception], ...] = ()
             ) -> tuple[base.Recovery, _How | None]:
        with server.lock:
            # Much may have happened while the lock was waited for.
            recovery = base.Recovery(driver, context,
                                     _confirm(driver, context, uuid))
            with _told(recovery, later):
                return recovery, _decide(recovery)

    try:
        recovery, how = look(later=(exception.ClockUnknown,))
    except exception.ClockUnknown:
        # After a boot that is mostly over in a minute.
        clock.wait_synchronised(clock_deadline)
        recovery, how = look()
    if how is None:
        return
    # Storage may not answer, and the server must not wait for it: it may be
    # stopped or deleted.
    machine: resume.Machine | Exception | None
    try:
        with _silence_told(recovery):
            machine = _prepare(recovery, how)
    except Exception as exc:
        machine = exc
    with server.lock:
        recovery = base.Recovery(driver, context,
                                 _confirm(driver, context, uuid))
        with _told(recovery):
            how = _decide(recovery)
            if how is not None:
                _bring_back(recovery, how, machine)


@contextlib.contextmanager
def _told(recovery: base.Recovery,
          later: tuple[type[Exception], ...] = ()) -> abc.Iterator[None]:
    """The context whose failure Nova's list of events has in any case.

    :param later: failures that are not final
    """
    try:
        yield
    except later:
        raise
    except Exception as exc:
        if not recovery.is_told:
            refusal.tell(recovery.context, recovery.server.uuid, exc)
        raise


@contextlib.contextmanager
def _silence_told(recovery: base.Recovery) -> abc.Iterator[None]:
    """The context in which it is told that storage does not answer."""
    timer = threading.Timer(_SILENCE, _tell_silence, (recovery.server.uuid,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell_silence(uuid: str) -> None:
    exc = exception.RecoveryFailed(
        reason='its storage has not answered for %d s; it is waited for. The '
        'log of nova-compute says which volume is being connected' % _SILENCE)
    LOG.warning('Server %s: %s', uuid, exc.format_message())
    refusal.tell(nova_context.get_admin_context(), uuid, exc)


def _prepare(recovery: base.Recovery, how: _How) -> resume.Machine | None:
    """Wait for the storage of a server, whose lock is not held.

    :returns: the machine that its state is loaded into
    :raises RecoveryFailed: the storage answers, but not as it should
    """
    if isinstance(how, vpm.StateInfo):
        return resume.prepare(recovery)
    try:
        recovery.driver.recoveries.connections.connect_all(
            recovery.context, recovery.instance, recovery.bdms())
    except exception.RecoveryFailed as exc:
        LOG.warning('It is booted all the same: %s', exc,
                    instance=recovery.instance)
    return None


def _bring_back(recovery: base.Recovery, how: _How,
                machine: resume.Machine | Exception | None) -> None:
    """Do what was decided.

    :param machine: what became of its preparation
    """
    if isinstance(machine, Exception):
        raise machine
    if not isinstance(how, vpm.StateInfo):
        refusal.give_up(recovery, how, cold_boot=True)
        return
    if machine is None:
        raise exception.RecoveryFailed(
            reason='it has got a state while its disks were waited for')
    with recovery.action():
        resume.resume(recovery, how, machine)
        resume.finish(recovery)
    recovery.course.result = recovery_log.RESUMED


def _confirm(driver: libvirt_driver.LibvirtDriver,
             context: nova_context.RequestContext,
             uuid: str) -> objects.Instance:
    instance = ownership.confirm(context, uuid, driver.recoveries.service)
    if not persistence.is_pvm(instance):
        raise exception.Gone(reason='it is not persistent')
    return instance


def resume_suspended(driver: libvirt_driver.LibvirtDriver,
                     context: nova_context.RequestContext,
                     instance: objects.Instance) -> None:
    """Let a suspended pVM run on, once, from its proven state.

    Nova keeps its own record of it.

    :raises StateUnproven: there is none (any more)
    :raises RecoveryFailed: it does not start; the state is kept
    """
    # Its user may be faster than the first report of nova-compute's service.
    driver.recoveries.service.wait_up(context)
    recovery = base.Recovery(driver, context, instance)
    try:
        with recovery.server.lock:
            _suspended_state(recovery)
        # As after an outage, nobody but its user waits for its storage.
        try:
            machine = resume.prepare(recovery)
        except Exception:
            recovery.confirm()
            raise
        with recovery.server.lock:
            recovery.confirm()
            resume.resume(recovery, _suspended_state(recovery), machine)
            recovery.server.finish_recovery()
    except exception.Gone:
        driver.recoveries.connections.undo(context, instance.uuid)
        raise
    driver.recoveries.connections.leave(instance.uuid)


def _suspended_state(recovery: base.Recovery) -> vpm.StateInfo:
    try:
        state = recovery.server.proven_state()
    except (vpm.Unproven, vpm.NotFound) as exc:
        raise exception.StateUnproven(reason=str(exc))
    if recovery.server.is_active():
        # An earlier attempt got so far. Its vCPUs cannot have run.
        recovery.guest().poweroff()
    return state


def _decide(recovery: base.Recovery) -> _How | None:
    """Find out what a server needs; do what needs no storage.

    :returns: what it is brought back by, None if nothing is left to be done
    """
    instance, server = recovery.instance, recovery.server
    if not is_live(instance):
        LOG.info('It is %s in Nova: there is nothing to recover',
                 instance.vm_state, instance=instance)
        return None
    if instance.task_state == task_states.MIGRATING and (
            instance.vm_state != vm_states.ERROR and server.is_active()):
        # Nova's start has ended all earlier ones, but of those in ERROR.
        LOG.info('It is migrated live since nova-compute has started: there '
                 'is nothing to recover', instance=instance)
        return None
    moved.check(recovery)
    if server.is_active() and not _finish_interrupted(recovery):
        return None
    try:
        state = server.proven_state()
    except (vpm.Unproven, vpm.NotFound) as exc:
        why = refusal.unproven(recovery, exc)
        return None if why is None else _given_up(recovery, why)
    if former.is_being_started(instance):
        # Nova does that, also when it starts, and expects the task then.
        raise exception.RecoveryFailed(
            reason='Nova has not recorded its start yet')
    recovery.course.event_ns = state.meta.wall_ns
    if instance.task_state == task_states.SUSPENDING:
        # Whether the tenant or the power came first, it is suspended.
        _set_suspended(instance)
        recovery.course.result = recovery_log.SUSPENDED
        return None
    too_long = refusal.outage_too_long(recovery, state)
    return _given_up(recovery, too_long) if too_long else state


def _given_up(recovery: base.Recovery,
              why: nova_exception.NovaException) -> _How | None:
    if refusal.may_boot(recovery, why):
        return why
    refusal.give_up(recovery, why, cold_boot=False)
    return None


def _set_suspended(instance: objects.Instance) -> None:
    instance.vm_state = vm_states.SUSPENDED
    instance.power_state = power_state.SHUTDOWN
    instance.task_state = None
    instance.save()


def _finish_interrupted(recovery: base.Recovery) -> bool:
    """Deal with the domain of a recovery, or a boot, that was cut off.

    :returns: whether the recovery has to begin again
    """
    instance, server = recovery.instance, recovery.server
    if recovery.is_being_booted:
        if recovery.power_state() != power_state.RUNNING:
            recovery.guest().poweroff()
            return True
        refusal.finish_boot(recovery)
        recovery.course.result = recovery_log.BOOTED
        return False
    if not server.is_recovering():
        if instance.task_state == task_states.SUSPENDING and suspend.settle(
                server, lambda: recovery.driver._destroy(instance)):
            _set_suspended(instance)
            return False
        LOG.debug('pVM is there, nothing to recover', instance=instance)
        server.try_to_record(only_if_changed=True)
        was_failed = former.is_remembered(instance)
        if was_failed or instance.task_state in (
                task_states.SUSPENDING, task_states.RESUMING):
            # Nova did not take it, or does not take these up again.
            resume.finish(recovery)
        if was_failed:
            recovery.course.result = recovery_log.RESUMED
        return False
    try:
        server.proven_state()
    except vpm.Unproven:
        # The state was loaded and given up, so it is in this QEMU.
        LOG.info('Finishing a recovery that was cut off after the state '
                 'was loaded', instance=instance)
        if recovery.power_state() != power_state.RUNNING:
            resume.let_run(recovery)
        resume.finish(recovery)
        recovery.course.result = recovery_log.RESUMED
        return False
    LOG.info('Beginning a recovery anew that was cut off before vCPUs '
             'ran', instance=instance)
    recovery.guest().poweroff()
    return True
