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

"""Migrating a running pVM to another host.

QEMU copies the memory into a region of the target's pool. While it does, a
pVM cannot be fixated, for QEMU does one migration at a time. If power fails
meanwhile, its state is not proven. Neither host may have a proven state of it
until it runs on one of them for good, so that it never runs twice.
"""

from __future__ import annotations

from collections import abc
import contextlib
import contextvars

import libvirt
from nova.compute import power_state
from nova import context as nova_context
from nova import exception as nova_exception
from nova.virt.libvirt import guest as libvirt_guest
from nova.virt.libvirt import host as libvirt_host
from oslo_log import log as logging
from oslo_utils import units

from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.virt import admission as virt_admission
from nova_temporality.virt import binding
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import server as pvm_server
from nova_temporality import vpm
from nova_temporality.vpm import lease

LOG = logging.getLogger(__name__)

# vCPUs must not run on two hosts' memory, nor be slowed down unasked.
_REFUSED_FLAGS = (libvirt.VIR_MIGRATE_POSTCOPY |
                  libvirt.VIR_MIGRATE_AUTO_CONVERGE)

# Whether the migration that this thread looks after is a pVM's.
_of_a_pvm = contextvars.ContextVar('of_a_pvm', default=False)


@contextlib.contextmanager
def without_post_copy() -> abc.Iterator[None]:
    """The context in which a migration is one that cannot do post-copy.

    Nova then completes it by force, or at its time-out, by pausing the guest.
    """
    token = _of_a_pvm.set(True)
    try:
        yield
    finally:
        _of_a_pvm.reset(token)


def may_post_copy() -> bool:
    """Whether the migration that this thread looks after may do that."""
    return not _of_a_pvm.get()


class MovingGuest(libvirt_guest.Guest):
    """A pVM's guest that is migrated into another host's memory."""

    def __init__(self, domain: libvirt.virDomain,
                 context: nova_context.RequestContext,
                 server: pvm_server.PersistentServer) -> None:
        super().__init__(domain)
        self._context = context
        self._server = server

    def get_xml_desc(self, dump_inactive: bool = False,
                     dump_sensitive: bool = False,
                     dump_migratable: bool = False) -> str:
        """See Guest."""
        xml = super().get_xml_desc(
            dump_inactive, dump_sensitive, dump_migratable)
        cells = self._server.cells()
        return pvm_domain.movable(xml, len(cells.cells) if cells else 1)

    def migrate(self, destination: str, migrate_uri: str | None = None,
                migrate_disks: list[str] | None = None,
                destination_xml: str | None = None, flags: int = 0,
                bandwidth: int = 0, parallel: int = 0) -> None:
        """See Guest."""
        assert destination_xml is not None
        target = binding.announced(self._context, self._server.uuid)
        xml = pvm_domain.moved(
            destination_xml, self._server.spec.memory_mb * units.Mi,
            self._server.binding(), target)
        if not self.is_active() or self._server.waits_for_state():
            # Its state would become stale for nothing.
            raise nova_exception.InstanceNotRunning(instance_id=self.uuid)
        self._server.disarm(notes.MOVES)
        try:
            super().migrate(
                destination, migrate_uri=migrate_uri,
                migrate_disks=migrate_disks, destination_xml=xml,
                flags=flags & ~_REFUSED_FLAGS, bandwidth=bandwidth,
                parallel=parallel)
        finally:
            self._server.rearm(notes.MOVES)


def check_destination(admission: virt_admission.Admission,
                      server: pvm_server.PersistentServer) -> None:
    """Refuse a pVM that this host cannot take.

    :raises MigrationPreCheckError: Nova tries another host
    """
    try:
        admission.check_room(server.instance, server.spec)
    except (exception.NotPossible,
            nova_exception.ComputeResourcesUnavailable) as exc:
        raise nova_exception.MigrationPreCheckError(
            reason=exc.format_message())


def check_source(host: libvirt_host.Host,
                 server: pvm_server.PersistentServer) -> None:
    """Refuse a pVM that cannot leave this host while it runs.

    QEMU was seen to lose some of what emulated vCPUs write meanwhile, with
    version 10.0.2. By its source (migration/ram.c, where the block's offset is
    missing) that is because the memory is not the first block that it has
    made: that one is libvirt's.

    :raises MigrationPreCheckError: naming what to do instead
    """
    if server.spec.is_paged:
        # Every page would be read in at the source, and pushed out again
        # at the target, while the guest waits for its own.
        raise nova_exception.MigrationPreCheckError(
            reason='a server with less NVRAM than memory cannot be '
            'migrated live; migrate it cold')
    guest = host.get_guest(server.instance)
    if not guest.is_active() or server.waits_for_state():
        raise nova_exception.MigrationPreCheckError(
            reason='the server is still to be recovered after an outage; '
            'wait until it runs')
    if (pvm_domain.is_emulated(guest.get_xml_desc()) and
            guest.get_power_state(host) == power_state.RUNNING):
        raise nova_exception.MigrationPreCheckError(
            reason="QEMU would lose some of what emulated vCPUs ([libvirt]"
            " virt_type is 'qemu') write meanwhile; pause the server "
            'first, or migrate it cold')


def prepare_destination(context: nova_context.RequestContext,
                        admission: virt_admission.Admission,
                        server: pvm_server.PersistentServer) -> None:
    """Make ready for the memory of a pVM that comes, and tell its source."""
    admission.admit(server)
    server.prepare_boot()
    # libvirt lets the vCPUs run as soon as all is there. So the epoch
    # begins now, and nothing is fixated until they do.
    server.disarm(notes.MOVES)
    binding.announce(context, server.binding())


def arrived(context: nova_context.RequestContext,
            server: pvm_server.PersistentServer) -> None:
    """Let a pVM that has come be fixated here."""
    server.try_to_record()
    server.rearm(notes.MOVES)
    binding.forget(context, server.uuid)


def left(server: pvm_server.PersistentServer) -> None:
    """Give the NVRAM of a pVM that has gone back, scrubbed."""
    try:
        with contextlib.suppress(vpm.NotFound):
            server.reclaim_region()
    except (lease.RegionInUse, vpm.VpmError) as exc:
        # It runs elsewhere, come what may.
        LOG.error('Its NVRAM on this host is not free: %s; once the '
                  'reason is gone, "temporality region gc" frees it',
                  exc, instance=server.instance)
