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

"""A live migration that nova-compute saw no end of.

The target notes its binding on the server before QEMU begins, and the note
goes when Nova knows on which host the server runs. When nova-compute starts,
Nova itself forgets the migration and the task. So the note decides.
"""

from __future__ import annotations

import libvirt
from nova.compute import task_states
from nova import context as nova_context
from nova import objects
from oslo_log import log as logging

from nova_temporality import exception
from nova_temporality.virt import binding
from nova_temporality.virt.recovery import base

LOG = logging.getLogger(__name__)

# What migrations are before QEMU begins with them.
_NOT_BEGUN = ('accepted', 'queued', 'preparing')


def look(context: nova_context.RequestContext,
         instance: objects.Instance) -> None:
    """Forget the note of a migration that QEMU has not begun with.

    Before Nova's start forgets how far it has come. If Nova does not answer,
    the note stays.
    """
    if instance.task_state != task_states.MIGRATING or (
            not binding.is_announced(instance)):
        return
    try:
        migrations = objects.MigrationList.get_in_progress_by_instance(
            context, instance.uuid, 'live-migration')
        if migrations and all(migration.status in _NOT_BEGUN
                              for migration in migrations):
            binding.forget(context, instance.uuid)
    except Exception as exc:
        LOG.warning('Nova does not say how far its live migration has come: '
                    '%s', exc, instance=instance)


def check(recovery: base.Recovery) -> None:
    """Find out whether a server moves, or has moved.

    :raises StillMoving: libvirt goes on with it
    :raises MovedPerhaps: it is not here, and has perhaps moved away
    """
    if not binding.is_announced(recovery.instance):
        return
    if recovery.server.is_active():
        guest = recovery.guest()
        if guest.get_job_info().type != libvirt.VIR_DOMAIN_JOB_NONE:
            # libvirt goes on without nova-compute.
            try:
                guest.abort_job()
            except libvirt.libvirtError as exc:
                LOG.warning('libvirt does not end its live migration: %s',
                            exc, instance=recovery.instance)
            raise exception.StillMoving()
    else:
        target = _target(recovery)
        if target != recovery.instance.host:
            raise exception.MovedPerhaps(host=target)
        # It came. Nova has had it here since, and only the note has stayed.
    binding.forget(recovery.context, recovery.server.uuid)


def _target(recovery: base.Recovery) -> str:
    migrations = objects.MigrationList.get_by_filters(recovery.context, {
        'instance_uuid': recovery.server.uuid,
        'migration_type': 'live-migration'})
    if not migrations:
        return 'another host'
    return max(migrations, key=lambda migration: migration.id).dest_compute
