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

"""A live migration that nova-compute saw no end of."""

from __future__ import annotations

import contextlib
import time

import libvirt
from nova import objects
from nova.virt.libvirt import guest as libvirt_guest

from nova_temporality import exception
from nova_temporality.virt import binding
from nova_temporality.virt.recovery import base

# Seconds for libvirt to give up a live migration.
_ABORT_PATIENCE = 10

# What migrations are before QEMU begins with them.
_NOT_MOVED_YET = ('accepted', 'queued', 'preparing')


def end(recovery: base.Recovery) -> None:
    """End a live migration if libvirt goes on with it.

    :raises StillMoving: libvirt does not end it
    """
    server = recovery.server
    if server.is_active():
        # libvirt goes on without nova-compute.
        guest = recovery.guest()
        with contextlib.suppress(libvirt.libvirtError):
            guest.abort_job()
        if _still_moves(guest):
            raise exception.StillMoving()
    if server.is_active():
        binding.forget(recovery.context, server.uuid)


def check(recovery: base.Recovery) -> None:
    """Make sure that a server which is not here has not moved away.

    Nova has it run here until it has heard of the end of a live migration.

    :raises MovedPerhaps: it has perhaps moved
    """
    for migration in objects.MigrationList.get_in_progress_by_instance(
            recovery.context, recovery.server.uuid, 'live-migration'):
        if migration.status not in _NOT_MOVED_YET:
            raise exception.MovedPerhaps(host=migration.dest_compute)


def _still_moves(guest: libvirt_guest.Guest) -> bool:
    """Wait for the end of a live migration; whether it goes on."""
    deadline = time.monotonic() + _ABORT_PATIENCE
    while guest.get_job_info().type != libvirt.VIR_DOMAIN_JOB_NONE:
        if time.monotonic() >= deadline:
            return True
        time.sleep(0.1)
    return False
