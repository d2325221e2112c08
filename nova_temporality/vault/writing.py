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

"""Writing a pool to its vault, before a planned reboot.

Nobody runs then: all QEMUs have ended, or stand still. If one is let run in
the midst, its record is advanced, and what was written of it is stale.
"""

import base64
import os

from oslo_log import log as logging

from nova_temporality.host import durable
from nova_temporality.host import nvdimm_notes
from nova_temporality.vault import data
from nova_temporality.vault import manifests
from nova_temporality.vault import place
from nova_temporality.vault import sealed
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# Not notes, but libvpm's own.
_OWN = {'pool', 'pool.new', 'conf', 'conf.new', 'lock', 'pause', 'regions'}
# A file that is larger is no note.
_NOTE_MOST = 1 << 20

_NOT_KEPT = 'it would not survive the reboot: it could not be written to the '\
    'vault: %s'


class Changed(Exception):
    """A server was let run while it was written."""


def write(pool: vpm.Pool) -> dict[str, str]:
    """Write all servers with a proven state, and what belongs to the pool.

    Those of suspended servers among them. One that fails keeps no other one
    from being written.

    :returns: why it could not be done, by names of pVMs
    """
    info = pool.info()
    regions = pool.regions()
    failures: dict[str, str] = {}
    proven: dict[str, vpm.StateInfo] = {}
    for region in regions:
        try:
            proven[region.name] = nvdimm_notes.proven_state(pool, region)
        except (vpm.Unproven, vpm.NotFound):
            continue
        except vpm.VpmError as e:
            failures[region.name] = _NOT_KEPT % e
    try:
        place.check_pool(info.vault, info.uuid)
        with place.locked(info.vault):
            for region in regions:
                if region.name not in proven:
                    continue
                try:
                    _write_server(pool, info, region, proven[region.name])
                except (OSError, vpm.VpmError, Changed) as e:
                    failures[region.name] = _NOT_KEPT % e
            _write_pool(pool, info, regions)
    except (OSError, place.VaultError) as e:
        failures = {name: failures.get(name, _NOT_KEPT % e)
                    for name in proven}
        LOG.error('The vault %s: %s', info.vault, e)
    for name, why in failures.items():
        LOG.error('%s: %s', name, why)
    return failures


def _write_server(pool: vpm.Pool, info: vpm.PoolInfo, region: vpm.RegionInfo,
                  state: vpm.StateInfo) -> None:
    described = manifests.describe(pool, region)
    path = manifests.path(info.vault, region.id)
    if _is_there(path, str(info.uuid), described, state):
        return
    # Its data is overwritten in place, as room for a second one is not there.
    durable.remove(path)
    number = manifests.seed(str(info.uuid), described)
    parts = data.parts(region)
    checksums = {part.name: data.write(
        manifests.data_path(info.vault, region.id), region.directory, part,
        number) for part in parts}
    if manifests.describe(pool, region) != described or (
            pool.verify_state(region.id).persisted_ns != state.persisted_ns):
        raise Changed('it was let run, or was fixated again, meanwhile')
    manifests.write(path, str(info.uuid), manifests.Server(
        described, state.epoch, state.persisted_ns, parts, checksums))


def _is_there(path: str, pool_uuid: str, region: manifests.Region,
              state: vpm.StateInfo) -> bool:
    """Whether the vault has this very state, for a server that is suspended.

    It is not written again: a power cut meanwhile would lose it.
    """
    try:
        return manifests.read(path, pool_uuid).is_of(region, state)
    except (sealed.Damaged, FileNotFoundError):
        return False


def _write_pool(pool: vpm.Pool, info: vpm.PoolInfo,
                regions: list[vpm.RegionInfo]) -> None:
    described = []
    for region in regions:
        try:
            described.append(manifests.describe(pool, region))
        except vpm.VpmError as e:
            LOG.error('%s: the vault will not have its region: %s',
                      region.name, e)
    manifests.write_pool(info.vault, str(info.uuid), described,
                         _notes(pool.path))


def _notes(pool_path: str) -> dict[str, str]:
    """What lies beside the pool's own files, in base64."""
    found = {}
    for directory, names, files in os.walk(pool_path):
        if directory == pool_path:
            names[:] = sorted(set(names) - _OWN)
            files = sorted(set(files) - _OWN)
        for name in files:
            path = os.path.join(directory, name)
            if os.path.islink(path) or os.path.getsize(path) > _NOTE_MOST:
                continue
            with open(path, 'rb') as stream:
                found[os.path.relpath(path, pool_path)] = base64.b64encode(
                    stream.read()).decode()
    return found
