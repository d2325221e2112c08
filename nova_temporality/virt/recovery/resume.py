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

"""Bringing back a server whose state is proven."""

from __future__ import annotations

from collections import abc
import contextlib
import dataclasses
import threading
import time

import libvirt
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova import exception as nova_exception
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import recovery_log
from nova_temporality.privsep import runs
from nova_temporality.qemu import incoming
from nova_temporality.virt import agent
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import domain_record
from nova_temporality.virt import guest as pvm_guest
from nova_temporality.virt.recovery import base
from nova_temporality.virt.recovery import changed_disks
from nova_temporality.virt.recovery import clock
from nova_temporality.virt.recovery import former
from nova_temporality.virt.recovery import network_disks
from nova_temporality.virt.recovery import rewriting
from nova_temporality.virt.recovery import volumes
from nova_temporality import vpm

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# Seconds for storage that has just answered to do so again.
_PATIENCE = 30.0


@dataclasses.dataclass(frozen=True)
class Machine:
    """A recorded machine whose disks are there.

    :ivar recorded: its XML as recorded
    :ivar volumes: see volumes.identity()
    :ivar xml: its XML for now
    """

    recorded: str
    volumes: set[tuple[str | None, ...]]
    xml: str


def prepare(recovery: base.Recovery) -> Machine:
    """Connect a machine's disks and look at them.

    To be called without the server's lock: storage may not answer.

    :raises RecoveryFailed: they are not there, or not what they were
    """
    recorded = _recorded(recovery)
    bdms = recovery.bdms()
    machine = Machine(recorded, volumes.identity(bdms),
                      rewriting.for_now(recovery, recorded, bdms))
    changed_disks.check(recovery, machine.recorded, machine.xml)
    return machine


def resume(recovery: base.Recovery, state: vpm.StateInfo,
           machine: Machine) -> None:
    """Start an empty QEMU, load a state into it, and let it run.

    One that stood still when the state was made stays so. The server's lock
    is held.

    :raises NotOwner, Gone: it may run elsewhere; the state is kept
    :raises DiskChanged: a disk is not what it was; the state is kept
    :raises RecoveryFailed: it is not brought back; the state is kept
    """
    server = recovery.server
    began = time.monotonic()
    recovery.course.reached(recovery_log.BEGAN)
    _check_again(recovery, machine)
    recovery.volumes = machine.volumes
    recovery.driver.plug_vifs(recovery.instance,
                              recovery.instance.get_network_info())
    with recovery.driver.recoveries.slot(
            bool(network_disks.names(machine.xml))):
        guest = _start_empty(recovery, machine.xml)
        started = time.monotonic()
        recovery.course.reached(recovery_log.STARTED)
        try:
            server.check_pager()
            server.load_state()
            changed_disks.check_remote(recovery)
        except (vpm.VpmError, incoming.RecoveryError,
                runs.PagerMissing) as exc:
            with contextlib.suppress(libvirt.libvirtError):
                _end(recovery, guest)
            raise exception.RecoveryFailed(
                reason=server.lost_memory() or str(exc))
        except exception.DiskChanged:
            with contextlib.suppress(libvirt.libvirtError):
                _end(recovery, guest)
            raise
    loaded = time.monotonic()
    recovery.course.reached(recovery_log.LOADED)
    if _ran_before(recovery, state):
        try:
            let_run(recovery, clock.Instant(state.meta.wall_ns,
                                            state.meta.signal_ns))
        except (exception.NotOwner, exception.Gone):
            _end(recovery, guest)
            raise
    server.forget_accepted_disks()
    LOG.info(
        'Recovered: fixated in %(fixation).1f ms (%(size)d KiB of '
        'state), dark for %(dark).1f s, recovered in %(total).0f ms '
        '(empty domain %(start).0f ms, state %(load).0f ms)',
        {'fixation': (state.persisted_ns - state.meta.signal_ns) / 1e6,
         'size': state.length // 1024,
         'dark': time.time() - state.meta.wall_ns / 1e9,
         'total': (time.monotonic() - began) * 1e3,
         'start': (started - began) * 1e3,
         'load': (loaded - started) * 1e3},
        instance=recovery.instance)


def _recorded(recovery: base.Recovery) -> str:
    """XML of its machine, as recorded."""
    try:
        xml = domain_record.read(recovery.instance)
    except OSError as exc:
        raise exception.RecoveryFailed(
            reason='the record of its machine cannot be read (%s)' % exc)
    if not recovery.is_of_here(xml):
        raise exception.RecoveryFailed(
            reason='the record of its machine is that of another host')
    return xml


def _check_again(recovery: base.Recovery, machine: Machine) -> None:
    """Make sure that a machine is what it was before the lock was taken."""
    if (_recorded(recovery), volumes.identity(recovery.bdms())) != (
            machine.recorded, machine.volumes):
        raise exception.RecoveryFailed(
            reason='its machine, or how a volume is attached to it, has '
            'changed while its disks were waited for')
    changed_disks.check(recovery, machine.recorded, machine.xml, _PATIENCE)


def _start_empty(recovery: base.Recovery, xml: str) -> pvm_guest.RunGuest:
    instance, server = recovery.instance, recovery.server
    server.prepare_recovery()
    host = recovery.driver._host
    try:
        if not recovery.driver.instance_exists(instance):
            # libvirt's definition was still in the page cache. Without one
            # the server would be gone from libvirt when it is shut down.
            host.write_instance_config(xml)
        # Beside the persistent definition, which stays as it was.
        with _ended_if_silent(recovery, xml):
            domain = host.get_connection().createXML(
                pvm_domain.with_incoming(xml, server.recover_socket),
                libvirt.VIR_DOMAIN_START_PAUSED)
    except libvirt.libvirtError as exc:
        # It may have been started all the same.
        raise exception.RecoveryFailed(
            reason='libvirt does not start its domain: %s' % exc)
    return pvm_guest.RunGuest(domain)


@contextlib.contextmanager
def _ended_if_silent(recovery: base.Recovery,
                     xml: str) -> abc.Iterator[None]:
    """The context in which an empty QEMU starts, or is ended.

    It opens its disks before it answers. libvirt waits for it for ever.

    :raises RecoveryFailed: it was ended
    """
    patience = CONF.temporality.recovery_timeout
    answered, ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not answered.wait(patience):
            ended.set()
            # It is tried again, whatever libvirt said.
            with contextlib.suppress(libvirt.libvirtError,
                                     nova_exception.NovaException):
                recovery.guest().poweroff()

    watcher = threading.Thread(target=watch, daemon=True,
                               name='start-' + recovery.instance.uuid)
    watcher.start()
    try:
        yield
    finally:
        answered.set()
        # It must not end one that has answered.
        watcher.join()
        if ended.is_set():
            names = network_disks.names(xml)
            raise exception.RecoveryFailed(
                reason='QEMU has not opened its disks in %d s%s' % (
                    patience, '. Does the storage of %s answer?' %
                    ', '.join(names) if names else ''))


def _end(recovery: base.Recovery, guest: pvm_guest.RunGuest) -> None:
    """End a QEMU that is not let run.

    One that stays is ended by the next try: the recovery has not ended then.

    :raises libvirtError: it stays, or has ended by itself
    """
    guest.poweroff()
    recovery.server.finish_recovery()


def _ran_before(recovery: base.Recovery, state: vpm.StateInfo) -> bool:
    if recovery.former_vm_state() == vm_states.PAUSED:
        return False
    if state.meta.runstate == 'io-error':
        LOG.warning('A disk did not take what the server wrote, or did not '
                    'give what it read, before power failed; it is tried '
                    'again now. If the server stands still again, '
                    '"temporality status" says what to do',
                    instance=recovery.instance)
    if state.meta.runstate == 'paused':
        LOG.warning('The server was paused from outside of Nova when power '
                    'failed and stays so; unpause it to let it run',
                    instance=recovery.instance)
        return False
    return True


def let_run(recovery: base.Recovery,
            since: clock.Instant | None = None) -> None:
    """Start the vCPUs of a server whose state is loaded.

    :param since: when it was fixated; None if that is not known any more
    :raises NotOwner, Gone: it may run elsewhere; the state is kept
    """
    guest = recovery.guest()
    guest.resume(confirm=recovery.confirm)
    recovery.course.reached(recovery_log.RUNNING)
    agent.catch_up(guest, since, frozen=recovery.was_frozen)


def finish(recovery: base.Recovery) -> None:
    """Have Nova know that the server is back.

    If Nova does not take it, the next try begins here.
    """
    instance = recovery.instance
    instance.power_state = recovery.power_state()
    instance.vm_state = recovery.former_vm_state()
    if instance.power_state == power_state.PAUSED and (
            instance.vm_state == vm_states.ACTIVE):
        # Else nobody could let it run: Nova unpauses what is paused.
        instance.vm_state = vm_states.PAUSED
    former.forget(instance)
    if instance.task_state in (task_states.SUSPENDING, task_states.RESUMING,
                               task_states.PAUSING, task_states.UNPAUSING):
        instance.task_state = None
    instance.save()
    recovery.server.finish_recovery()
