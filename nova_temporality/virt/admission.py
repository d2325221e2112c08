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

"""Which servers become pVMs of this host: refused, sized and admitted here."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

from nova import exception as nova_exception
from nova import objects
from oslo_utils import units

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.privsep import regions
from nova_temporality.spec import errors
from nova_temporality.spec import persistence
from nova_temporality.spec import priority
from nova_temporality.spec import server_spec
from nova_temporality.spec import system_metadata
from nova_temporality.virt import checks
from nova_temporality.virt import page_sizes
from nova_temporality.virt import readiness
from nova_temporality.virt import server as pvm_server
from nova_temporality import vpm

CONF = conf.CONF

# Stands for a server that is not there yet.
_NEXT = ''


class Admission:
    """Decides on servers before anything is made for them."""

    def __init__(self, ready: readiness.Readiness) -> None:
        """Make ready.

        :param ready: knows whether the host could fixate a server now
        """
        self._ready = ready
        # Of two that are admitted at a time, the second counts the first. To
        # allocate a large region takes long, so nobody waits for that.
        self._lock = threading.Lock()
        # What servers are that are being given a region, by UUID.
        self._coming: dict[str, server_spec.ServerSpec] = {}

    # -- what is decided for a server -----------------------------------------

    def decide(self, instance: objects.Instance) -> bool:
        """Decide once whether a new server is a pVM, and freeze that.

        Nobody is asked again when it is unshelved, evacuated or rebuilt.

        :returns: whether it is
        :raises NotPossible: naming the value and the remedy
        """
        # Saved by Nova: a server that is unshelved was on no host that could.
        system_metadata.rename(instance)
        if persistence.decision(instance) is None:
            try:
                _decide(instance)
            except errors.InvalidSpec as exc:
                raise exception.NotPossible(reason=str(exc))
        return persistence.is_pvm(instance)

    @staticmethod
    def decide_again(instance: objects.Instance) -> None:
        """Decide anew for a server that got another flavor, and freeze it."""
        if persistence.decision(instance) is None:
            # of an earlier time, without us
            persistence.freeze(instance, False)
        if persistence.freeze_with_flavor(instance,
                                          instance.flavor.extra_specs):
            # Before NVRAM is taken.
            instance.save()

    # -- what is refused ------------------------------------------------------

    def check_rebuild(self, instance: objects.Instance,
                      image_meta: objects.ImageMeta,
                      network_info: Any) -> None:
        """Refuse a rebuild that is not possible.

        :raises NotPossible: naming the value and the remedy
        """
        is_pvm = persistence.is_pvm(instance)
        try:
            # Nova has replaced the old image's properties by now.
            by_image = persistence.is_requested_by_image(
                instance.system_metadata)
            server_spec.decided(instance)
        except errors.InvalidSpec as exc:
            raise exception.NotPossible(reason=str(exc))
        if by_image and not is_pvm:
            raise exception.NotPossible(
                reason='The server was created without persistence, and a '
                       'rebuild cannot make it persistent; create a new one')
        if is_pvm:
            checks.check_request(instance, instance.flavor, image_meta,
                                 network_info)

    def check_resize(self, instance: objects.Instance,
                     flavor: objects.Flavor,
                     network_info: Any) -> server_spec.ServerSpec:
        """Refuse a resize or cold migration that is not possible.

        :returns: what the server becomes
        :raises NotPossible: naming the value and the remedy
        """
        try:
            spec = server_spec.resized(instance, flavor)
        except errors.InvalidSpec as exc:
            raise exception.NotPossible(reason=str(exc))
        if spec.is_persistent:
            checks.check_request(instance, flavor, instance.image_meta,
                                 network_info)
        return spec

    # -- room -----------------------------------------------------------------

    def check_room(self, instance: objects.Instance,
                   spec: server_spec.ServerSpec) -> None:
        """Refuse a pVM that this host could not fixate, or not in time.

        One that has a region here counts already.

        :raises ComputeResourcesUnavailable: with the numbers and the remedies
        """
        self._check_ready(instance.uuid)
        self._check_budget(instance, spec)
        self._check_vault(instance, spec)

    def _check_ready(self, uuid: str) -> None:
        try:
            regions.lookup(CONF.temporality.pool_path, uuid)
            return
        except vpm.NotFound:
            problem = self._ready.problem_for_server()
        if problem:
            raise nova_exception.ComputeResourcesUnavailable(
                reason='This host could not fixate a server now; see '
                '"temporality health" there: %s' % problem)

    def _check_budget(self, instance: objects.Instance,
                      spec: server_spec.ServerSpec) -> None:
        options = CONF.temporality
        known, prediction = regions.predict(
            options.pool_path, options.run_dir, instance.uuid, spec.priority,
            self._others(instance.uuid))
        if known or prediction.total_ms <= options.hold_up_ms:
            return
        # Nova keeps 255 characters of a fault.
        raise nova_exception.ComputeResourcesUnavailable(
            reason='Fixating %(pvms)d persistent servers would take '
            '%(total_ms).1f ms, but hold_up_ms is %(hold_up)d (%(assumed)d '
            'not drilled, taken for %(assumed_ms).1f ms). Use another host, '
            'run "temporality drill" there, or delete servers' %
            dict(dataclasses.asdict(prediction), hold_up=options.hold_up_ms))

    def _check_vault(self, instance: objects.Instance,
                     spec: server_spec.ServerSpec) -> None:
        options = CONF.temporality
        if not options.vault_hold_up:
            return
        coming = self._coming.copy() | {instance.uuid: spec}
        found = regions.forecast_vault(
            options.pool_path, options.run_dir, options.vault_hold_up,
            instance.uuid,
            {uuid: its.nvram_mb * units.Mi for uuid, its in coming.items()},
            spec.nvram_mb >= spec.memory_mb and not page_sizes.wants_large(
                instance.flavor, instance.image_meta))
        # If nobody can tell how long that takes, then health says so.
        if found is None or found.predicted is None or found.fits:
            return
        raise nova_exception.ComputeResourcesUnavailable(
            reason='Writing all persistent servers, %d MiB, to the vault when '
            'power fails would take %.1f s, but vault_hold_up is %d. Use '
            'another host, or delete servers' % (
                found.bytes >> 20, found.predicted, found.hold_up))

    def has_room(self) -> bool:
        """Whether one more pVM, of default priority, fits into the budget."""
        options = CONF.temporality
        _known, prediction = regions.predict(
            options.pool_path, options.run_dir, _NEXT, priority.DEFAULT,
            self._others(_NEXT))
        return prediction.total_ms <= options.hold_up_ms

    def _others(self, uuid: str) -> dict[str, int]:
        """Priorities of all but one server that are given regions just now."""
        return {other: spec.priority
                for other, spec in self._coming.copy().items()
                if other != uuid}

    def admit(self, server: pvm_server.PersistentServer,
              room_is_reserved: bool = False) -> vpm.RegionInfo:
        """Give a pVM its region if this host could fixate it in time.

        :param room_is_reserved: whether it gave its region back a moment ago
                                 and gets it again; there was room for it
        :raises ComputeResourcesUnavailable: Placement was out of step; another
            host may have room
        """
        if not room_is_reserved:
            # Nobody else waits for the notifier.
            self._check_ready(server.uuid)
        with self._lock:
            if not room_is_reserved:
                self._check_budget(server.instance, server.spec)
                self._check_vault(server.instance, server.spec)
            self._coming[server.uuid] = server.spec
        try:
            return server.ensure_region()
        except (vpm.PoolFull, regions.NoLargePages,
                regions.NoSwapDirectory) as exc:
            raise nova_exception.ComputeResourcesUnavailable(reason=str(exc))
        finally:
            with self._lock:
                self._coming.pop(server.uuid, None)


def _decide(instance: objects.Instance) -> None:
    if 'launched_at' in instance and instance.launched_at:
        # Spawned before, without us: what its tenant writes on it today was
        # never meant for its creation.
        persistence.freeze(instance, persistence.is_requested_by_flavor(
            instance.flavor.extra_specs))
    else:
        spec = server_spec.requested(
            instance.flavor, instance.system_metadata, instance.metadata,
            CONF.temporality.allow_server_property)
        persistence.freeze(
            instance, spec.is_persistent, persistence.is_requested_by_server(
                instance.system_metadata, instance.metadata))
    if persistence.is_pvm(instance):
        # Before NVRAM is taken. An ordinary server's is saved by Nova, like
        # all that it notes on it.
        instance.save()
