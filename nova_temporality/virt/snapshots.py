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

"""Snapshots of pVMs, as far as Nova has a say in them.

For the operator's command line: Nova is asked and told through nova-conductor,
see :mod:`nova_temporality.virt.conductor`.
"""

from __future__ import annotations

from collections import abc
import functools
from typing import Any
from typing import NoReturn

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
import oslo_messaging
from oslo_utils import units

from nova_temporality.notifier import client
from nova_temporality.snapshot import error
from nova_temporality.snapshot import loading
from nova_temporality.snapshot import making
from nova_temporality.snapshot import saving
from nova_temporality.snapshot import store
from nova_temporality.spec import persistence
from nova_temporality.virt import domain_record
from nova_temporality.virt import genid
from nova_temporality import vpm

CONF = nova.conf.CONF

# What Nova's API refuses to do anything with, and its services leave alone.
_LOADING = task_states.SUSPENDING


def create(opts: Any, snapshot: store.Snapshot) -> None:
    """Make a snapshot of a server that runs, or is suspended.

    :param opts: group [temporality]
    :raises SnapshotError, VpmError, NotifierError, RunLockTimeout: why not
    """
    instance = _find(snapshot.server)
    copies: dict[str, abc.Callable[..., Any]] = {
        vm_states.ACTIVE: _copy_running,
        vm_states.SUSPENDED: _copy_suspended,
    }
    copy = copies.get(instance.vm_state)
    if copy is None:
        _refuse_state(instance, 'made of a server that is active or '
                      'suspended')
    with vpm.Pool(opts.pool_path) as pool:
        memory_size = saving.memory_size(pool.lookup(instance.uuid))
    making.make(snapshot, functools.partial(_read_domain, instance),
                functools.partial(copy, opts, instance.uuid), memory_size,
                _disk_size(instance.flavor))


def _disk_size(flavor: objects.Flavor) -> int:
    """Bytes that a flavor gives a server's disks; 0: it does not say."""
    if not flavor.root_gb:
        # Then it is as large as the image.
        return 0
    return ((flavor.root_gb + flavor.ephemeral_gb) * units.Gi +
            flavor.swap * units.Mi)


def _read_domain(instance: objects.Instance) -> str:
    try:
        return domain_record.read(instance)
    except OSError as exc:
        raise error.SnapshotError(
            'the record of its machine cannot be read (%s)' % exc)


def _copy_running(opts: Any, name: str, directory: str, disks: Any,
                  at_most: int) -> Any:
    # As long as it takes; the connection ends with the notifier.
    return client.call(opts.run_dir, 'snapshot', timeout=None, name=name,
                       directory=directory, disks=disks, at_most=at_most)


def _copy_suspended(opts: Any, name: str, directory: str, disks: Any,
                    at_most: int) -> Any:
    with vpm.Pool(opts.pool_path) as pool:
        return saving.save(pool, pool.lookup(name), directory, disks,
                           at_most)


def load(opts: Any, snapshot: store.Snapshot) -> None:
    """Put a snapshot back, as a fork; the server is suspended then.

    :param opts: group [temporality]
    :param snapshot: locked
    :raises SnapshotError, VpmError, RunLockTimeout, RegionInUse: why not
    """
    # A load that was cut off left it so.
    unfinished = loading.unfinished(opts.pool_path, snapshot.server)
    instance = _find(snapshot.server, [_LOADING] if unfinished else [])
    if instance.vm_state not in (vm_states.STOPPED, vm_states.SUSPENDED) and (
            instance.vm_state != vm_states.ERROR or not unfinished):
        _refuse_state(instance, 'loaded into a server that is stopped or '
                      'suspended')
    manifest = snapshot.manifest()
    macs = sorted(vif['address'] for vif in instance.get_network_info())
    for what, then, now in (
            ('ports with the addresses', ' '.join(manifest['macs']),
             ' '.join(macs)),
            ('virtual CPUs', manifest['vcpus'], instance.flavor.vcpus)):
        if then != now:
            raise error.SnapshotError(
                'the machine has to be the same: the server had %s %s, and '
                'has %s now; give it back what it had'
                % (what, then or 'none', now or 'none'))
    fork = genid.new()
    with vpm.Pool(opts.pool_path) as pool:
        loading.load(pool, pool.lookup(instance.uuid), snapshot, fork,
                     domain_record.path(instance),
                     _Owner(instance, fork))


class _Owner:
    """Nova, which does nothing else with a server that is being suspended.

    :param fork: its new generation ID
    """

    def __init__(self, instance: objects.Instance, fork: str) -> None:
        self._instance = instance
        self._fork = fork
        self._before = (instance.vm_state, instance.task_state)

    def take(self) -> None:
        """Keep Nova from doing anything with it.

        :raises SnapshotError: it does already
        """
        self._instance.task_state = _LOADING
        self._save(*self._before)

    def hand_over(self) -> None:
        """Have Nova take it for suspended."""
        genid.record(self._instance, self._fork)
        self._instance.vm_state = vm_states.SUSPENDED
        self._instance.power_state = power_state.SHUTDOWN
        self._instance.task_state = None
        self._save(self._before[0], _LOADING)

    def give_back(self) -> None:
        """Leave it as it was; it is refused to be started."""
        self._instance.vm_state = self._before[0]
        self._instance.task_state = None
        self._save(self._before[0], _LOADING)

    def _save(self, vm_state: str | None, task_state: str | None) -> None:
        try:
            self._instance.save(expected_vm_state=[vm_state],
                                expected_task_state=[task_state])
        except (nova_exception.NovaException,
                oslo_messaging.MessagingException) as exc:
            raise error.SnapshotError(
                'Nova does something else with the server, or does not '
                'answer (%s); try again' % exc)


def _find(uuid: str, also_in: abc.Sequence[str] = ()) -> objects.Instance:
    context = nova_context.get_admin_context()
    try:
        instance = objects.Instance.get_by_uuid(
            context, uuid,
            expected_attrs=['system_metadata', 'flavor', 'info_cache'])
        bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(
            context, uuid)
    except nova_exception.InstanceNotFound:
        raise error.SnapshotError(
            "Nova has no server '%s'; give a server's UUID" % uuid)
    except oslo_messaging.MessagingException as exc:
        raise error.SnapshotError('nova-conductor does not answer: %s' % exc)
    if instance.host != CONF.host:
        raise error.SnapshotError(
            'server %s is on host %s; its snapshots are made and loaded there'
            % (uuid, instance.host))
    if not persistence.is_pvm(instance):
        raise error.SnapshotError('server %s is not persistent' % uuid)
    if instance.task_state not in (None, *also_in):
        raise error.SnapshotError(
            'server %s is %s; wait until that has ended'
            % (uuid, instance.task_state))
    if any(bdm.is_volume for bdm in bdms):
        raise error.SnapshotError(
            'server %s has volumes, which have snapshots of their own; '
            'detach them' % uuid)
    return instance


def _refuse_state(instance: objects.Instance, wanted: str) -> NoReturn:
    raise error.SnapshotError(
        'server %s is %s; a snapshot can be %s'
        % (instance.uuid, instance.vm_state, wanted))
