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

"""Who owns a server now: at most one copy of it ever runs.

What nova-compute read when it started does not count. Its service counts as
down until it reports itself, so that servers may be evacuated meanwhile. They
may be deleted, and the host may be forced down (fenced).
"""

from __future__ import annotations

from collections import abc

from nova.compute import task_states
import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.objects import fields
import oslo_messaging

from nova_temporality import exception
from nova_temporality.virt.recovery import service

CONF = nova.conf.CONF

# What recovery reads of a server.
_ATTRIBUTES = ['flavor', 'info_cache', 'metadata', 'numa_topology',
               'system_metadata']

# What an evacuation is until Nova has the server on the other host.
_EVACUATING = ['accepted', 'pre-migrating']

# What it is then, until nova-compute starts here again.
_EVACUATED = 'done'


def confirm(context: nova_context.RequestContext, uuid: str,
            host_service: service.Service) -> objects.Instance:
    """Make sure that a server is this host's, and nobody takes it away.

    :returns: the server, as Nova has it now
    :raises Gone: it is deleted, or another host's
    :raises NotOwner: it may be another host's soon, or nobody can tell
    """
    try:
        with host_service.turn:
            host_service.check(context)
            instance = confirm_here(context, uuid)
    except oslo_messaging.MessagingException as exc:
        raise exception.NotOwner(
            reason='nova-conductor does not say whose it is (%s)' % (
                exc or type(exc).__name__))
    # To ask may have taken long.
    host_service.check_fresh()
    return instance


def confirm_here(context: nova_context.RequestContext,
                 uuid: str) -> objects.Instance:
    """Make sure of that, but for whether the host counts as up.

    For what a user has asked this host for.

    :raises Gone, NotOwner: see confirm()
    """
    try:
        instance = objects.Instance.get_by_uuid(
            context, uuid, expected_attrs=_ATTRIBUTES)
    except nova_exception.InstanceNotFound:
        raise exception.Gone(reason='it is deleted')
    if instance.host != CONF.host:
        raise exception.Gone(reason='it is on host %s' % instance.host)
    if instance.task_state == task_states.DELETING:
        raise exception.Gone(reason='it is being deleted')
    evacuations = _evacuations(context, _EVACUATING, instance_uuid=uuid)
    if evacuations:
        raise exception.NotOwner(reason='it is evacuated to %s' % (
            evacuations[0].dest_compute or 'another host'))
    return instance


def evacuated(context: nova_context.RequestContext,
              uuids: abc.Container[str]) -> set[str]:
    """Which servers are evacuated from this host just now, or were.

    :param uuids: of those that are asked for
    """
    found = [migration for migration in _evacuations(
        context, [*_EVACUATING, _EVACUATED])
        if migration.instance_uuid in uuids]
    return {migration.instance_uuid for migration in found
            if migration.status != _EVACUATED or
            _is_elsewhere(context, migration.instance_uuid)}


def _is_elsewhere(context: nova_context.RequestContext, uuid: str) -> bool:
    try:
        return bool(objects.Instance.get_by_uuid(
            context, uuid, expected_attrs=[]).host != CONF.host)
    except nova_exception.InstanceNotFound:
        return False


def _evacuations(context: nova_context.RequestContext, statuses: list[str],
                 **filters: str) -> list[objects.Migration]:
    return list(objects.MigrationList.get_by_filters(context, dict(
        filters, source_compute=CONF.host, status=statuses,
        migration_type=fields.MigrationType.EVACUATION)))
