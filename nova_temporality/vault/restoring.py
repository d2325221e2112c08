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

"""Making a pool again from its vault, after the boot.

It is made beside its place, and put there as a whole when it is complete. So
whoever finds a pool finds all of it, and what was cut off is begun anew.
"""

import base64
from collections import abc
import dataclasses
import os
import shutil

from oslo_log import log as logging

from nova_temporality.host import durable
from nova_temporality.host import vault_losses
from nova_temporality.vault import creating
from nova_temporality.vault import data
from nova_temporality.vault import manifests
from nova_temporality.vault import place
from nova_temporality.vault import sealed
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

_SUFFIX = '.restoring'

# What became of a region.
RESTORED = 'restored'
EMPTY = 'empty'
UNPROVEN = 'unproven'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one server.

    :ivar result: RESTORED; EMPTY: it had no state; UNPROVEN
    :ivar reason: why it is unproven
    :ivar size: bytes that were read, if it is restored
    """

    name: str
    result: str
    reason: str = ''
    size: int = 0


def restore(vault: str, pool_path: str) -> list[Outcome] | None:
    """Make a pool again from its vault, unless it is there.

    Nothing is changed in the vault: a server's state is given up when its
    vCPUs are to run.

    :returns: what became of its servers, None if it was there
    :raises place.VaultError: the vault cannot be used, or the pool that is
                              there is not its own
    :raises vpm.VpmError: the pool cannot be made
    :raises OSError: likewise
    """
    vault = os.path.realpath(vault)
    parameters = place.parameters(vault)
    with place.locked(vault):
        if os.path.lexists(os.path.join(pool_path, 'pool')):
            with vpm.Pool(pool_path) as pool:
                place.check_pool(vault, pool.info().uuid)
            return None
        if os.path.ismount(pool_path):
            raise place.VaultError(
                '%s is a mount point; the pool is put in its place as a whole:'
                ' choose a directory below it' % pool_path)
        if os.path.isdir(pool_path) and os.listdir(pool_path):
            raise place.VaultError('%s holds no pool, and is not empty: move '
                                   'away what is in it' % pool_path)
        beside = pool_path + _SUFFIX
        if os.path.lexists(beside):
            shutil.rmtree(beside)
        with creating.make(beside, vault, parameters) as pool:
            outcomes = _Restoration(vault, parameters.uuid, pool).run()
        os.rename(beside, pool_path)
        durable.sync(os.path.dirname(os.path.abspath(pool_path)))
    for outcome in outcomes:
        if outcome.result == UNPROVEN:
            LOG.error('%s is unproven: %s', outcome.name, outcome.reason)
    return outcomes


class _Restoration:
    """One pool that is being made again."""

    def __init__(self, vault: str, pool_uuid: str, pool: vpm.Pool) -> None:
        self._vault = vault
        self._uuid = pool_uuid
        self._pool = pool
        # What was read of servers, in bytes.
        self._restored: dict[str, int] = {}
        # Why servers are unproven, and the regions that they have all the
        # same.
        self._lost: dict[str, str] = {}
        # Why manifests are not of those regions; that matters without one.
        self._foreign: dict[str, str] = {}
        self._allocated: dict[str, vpm.RegionInfo] = {}

    def run(self) -> list[Outcome]:
        """Make all regions; say what became of them."""
        try:
            known = manifests.read_pool(self._vault, self._uuid)
        except sealed.Damaged as e:
            LOG.error('Regions of servers without a proven state, and notes, '
                      'are lost: %s', e)
            known = manifests.Pool()
        self._put_notes(known.notes)
        regions = {region.name: region for region in known.regions}
        names = {vpm.region_id(name): name for name in regions}
        unwritten = dict(known.unwritten)
        for path in manifests.all_paths(self._vault):
            begun = manifests.begun(path, self._uuid)
            if begun:
                self._note_begun(begun, regions, unwritten)
                continue
            try:
                server = manifests.read(path, self._uuid)
            except sealed.Damaged as e:
                id = manifests.region_id(path)
                self._lost[names.get(id, '%016x' % id)] = str(e)
            else:
                self._restore(server, regions)
        with_manifest = set(self._allocated)
        for region in regions.values():
            if region.name not in self._allocated:
                self._allocate_empty(region)
        self._lost.update((name, self._foreign[name]) for name in
                          self._foreign.keys() - self._allocated.keys())
        # What is there of them, if anything is, is of an earlier state.
        self._lost.update((name, unwritten[name])
                          for name in unwritten.keys() &
                          self._allocated.keys() - with_manifest)
        self._note_losses()
        return self._outcomes()

    @staticmethod
    def _note_begun(begun: manifests.Region,
                    regions: dict[str, manifests.Region],
                    unwritten: dict[str, str]) -> None:
        """Tell of a server whose data was overwritten, and never completed.

        If the pool was written in that very run, or later, the pool's manifest
        says whether something of it is lost.
        """
        known = regions.setdefault(begun.name, begun)
        if known is begun or known.runs < begun.runs:
            unwritten[begun.name] = (
                'it ran when the host stopped: only some of its memory is in '
                'the vault')

    def _restore(self, server: manifests.Server,
                 regions: dict[str, manifests.Region]) -> None:
        region = server.region
        # Other faults are not of this server: nothing is put in place.
        try:
            info = self._pool.import_region(region.exported(), True,
                                            region.swap_dir)
        except vpm.VaultUnavailable as e:
            # If that is a former region, the pool's manifest may know the one
            # that has its name now.
            self._foreign[region.name] = str(e)
            return
        except vpm.Unproven as e:
            self._lost[region.name] = str(e)
            regions[region.name] = region
            return
        self._allocated[region.name] = info
        number = manifests.seed(self._uuid, region)
        try:
            # The state comes last, and without it nothing is proven.
            for part in server.parts:
                data.read(manifests.data_path(self._vault, info.id),
                          info.directory, part, number,
                          server.checksums[part.name])
            self._pool.adopt(info.id)
        except (data.Torn, OSError, vpm.VpmError) as e:
            self._lost[region.name] = 'what the vault has of it: %s' % e
        else:
            self._restored[region.name] = server.size

    def _allocate_empty(self, region: manifests.Region) -> None:
        """Make a region without memory, as after a boot in DRAM."""
        try:
            self._allocated[region.name] = self._pool.import_region(
                region.exported(), False, region.swap_dir)
        except vpm.VaultUnavailable as e:
            LOG.warning('%s has no region any more: %s', region.name, e)

    def _note_losses(self) -> None:
        for name, why in self._lost.items():
            region = self._allocated.get(name)
            if region:
                vault_losses.take(self._pool.path, region, why)

    def _put_notes(self, notes: abc.Mapping[str, str]) -> None:
        for name, content in notes.items():
            path = os.path.normpath(os.path.join(self._pool.path, name))
            if not path.startswith(os.path.join(self._pool.path, '')):
                continue
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            durable.write(path, base64.b64decode(content))

    def _outcomes(self) -> list[Outcome]:
        found = [Outcome(name, UNPROVEN, why)
                 for name, why in self._lost.items()]
        found += [
            Outcome(name, RESTORED, size=self._restored[name])
            if name in self._restored else Outcome(name, EMPTY)
            for name in self._allocated if name not in self._lost]
        return sorted(found, key=lambda outcome: outcome.name)
