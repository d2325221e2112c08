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

"""Writing a pool to its vault: before a planned reboot, or as power fails.

Nobody runs then: all QEMUs have ended, or stand still. If one is let run in
the midst, its record is advanced, and what was written of it is stale.

Energy may end at any time. So the servers come one after the other, each
proven by itself, and what belongs to the pool is written before them, too.
"""

import base64
from collections import abc
import contextlib
import dataclasses
import os
import types

from oslo_log import log as logging

from nova_temporality.host import durable
from nova_temporality.host import nvdimm_notes
from nova_temporality.spec import priority
from nova_temporality.vault import ahead as ahead_module
from nova_temporality.vault import data
from nova_temporality.vault import manifests
from nova_temporality.vault import place
from nova_temporality.vault import sealed
from nova_temporality.vault import tables
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# Not notes, but libvpm's own.
_OWN = {'pool', 'pool.new', 'conf', 'conf.new', 'lock', 'pause', 'regions'}
# A file that is larger is no note.
_NOTE_MOST = 1 << 20
# How often a paged server is written whose pager goes on meanwhile.
_TRIES = 3

_NOT_KEPT = 'it would not survive: it could not be written to the vault: %s'
_NOT_YET = 'it was not in the vault yet when the DRAM was lost'


class Changed(Exception):
    """A server was let run while it was written."""


class Stopped(Exception):
    """The writing was to end; what is in the vault is sound or stale."""


@dataclasses.dataclass(frozen=True)
class Written:
    """What became of one server.

    :ivar size: bytes that were written; 0 if the vault had it already
    :ivar failure: why it is not in the vault; '' if it is, durably
    """

    name: str
    size: int
    failure: str = ''


# Told of each server, as soon as that is known.
Tell = abc.Callable[[Written], object]
# Called now and then, by any thread; raises Stopped to end the writing.
Check = abc.Callable[[], object]


def write(pool: vpm.Pool,
          priorities: abc.Mapping[str, int] = types.MappingProxyType({}),
          tell: Tell = lambda written: None,
          check: Check = lambda: None,
          ahead: ahead_module.Ahead | None = None) -> dict[str, str]:
    """Write all servers with a proven state, and what belongs to the pool.

    Those of suspended servers among them. One that fails keeps no other one
    from being written.

    :param priorities: by name; the highest comes first
    :param ahead: who has written some of it; it must stand still
    :returns: why it could not be done, by names of pVMs
    :raises Stopped: check() did
    """
    info = pool.info()
    regions = sorted(pool.regions(), key=lambda region: (
        -priorities.get(region.name, priority.DEFAULT), region.name))
    failures: dict[str, str] = {}

    def fail(name: str, why: object) -> None:
        failures[name] = _NOT_KEPT % why
        LOG.error('%s: %s', name, failures[name])
        tell(Written(name, 0, failures[name]))

    proven: dict[str, vpm.StateInfo] = {}
    for region in regions:
        try:
            proven[region.name] = nvdimm_notes.proven_state(pool, region)
        except (vpm.Unproven, vpm.NotFound):
            continue
        except vpm.VpmError as e:
            fail(region.name, e)
    try:
        place.check_pool(info.vault, info.uuid)
        with place.locked(info.vault):
            _write_pool(pool, info, regions,
                        failures | dict.fromkeys(proven, _NOT_YET))
            for region in regions:
                if region.name not in proven:
                    continue
                check()
                try:
                    size = _write_server(pool, info, region,
                                         proven[region.name], check, ahead)
                except (OSError, vpm.VpmError, Changed, tables.Busy) as e:
                    fail(region.name, e)
                    _forget_deleted(pool, info, region)
                else:
                    tell(Written(region.name, size))
            _write_pool(pool, info, regions, failures)
    except (OSError, place.VaultError) as e:
        LOG.error('The vault %s: %s', info.vault, e)
        for name in proven.keys() - failures.keys():
            fail(name, e)
    return failures


def _write_server(pool: vpm.Pool, info: vpm.PoolInfo, region: vpm.RegionInfo,
                  state: vpm.StateInfo, check: Check,
                  ahead: ahead_module.Ahead | None) -> int:
    """Write a server; return how many bytes that were."""
    described = manifests.describe(pool, region)
    path = manifests.path(info.vault, region.id)
    if _is_there(path, str(info.uuid), described, state):
        return 0
    # Its data is overwritten in place, as room for a second one is not there.
    manifests.begin(path, str(info.uuid), described)
    number = manifests.seed(str(info.uuid), described)
    parts = data.parts(region)
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(
            ahead.overwriting(region, parts)) if ahead else {}
        checksums, size = _write_parts(
            manifests.data_path(info.vault, region.id), region, parts, number,
            check, there)
    if manifests.describe(pool, region) != described or (
            pool.verify_state(region.id).persisted_ns != state.persisted_ns):
        raise Changed('it was let run, or was fixated again, meanwhile')
    manifests.write(path, str(info.uuid), manifests.Server(
        described, state.epoch, state.persisted_ns, parts, checksums))
    return size


def _write_parts(path: str, region: vpm.RegionInfo, parts: list[data.Part],
                 number: int, check: Check,
                 there: abc.Mapping[str, data.There]
                 ) -> tuple[dict[str, bytes], int]:
    """Write the files of one instant.

    :returns: their checksums, and how many bytes were written
    """
    size = 0

    def write_all() -> dict[str, bytes]:
        nonlocal size
        checksums = {}
        for part in parts:
            checksums[part.name], written = data.write(
                path, region.directory, part, number, check,
                there.get(part.name))
            size += written
        return checksums

    if not region.is_vpm:
        return write_all(), size
    table = next(part for part in parts if part.name == 'ppt')
    for _try in range(_TRIES):
        before = tables.sums_when_quiet(region.directory, table, check)
        checksums = write_all()
        if tables.sums_now(region.directory, table) == before:
            return checksums, size
    raise tables.Busy('its pager moved pages while they were written')


def _forget_deleted(pool: vpm.Pool, info: vpm.PoolInfo,
                    region: vpm.RegionInfo) -> None:
    """Keep nothing of a server that was deleted while it was written."""
    try:
        manifests.describe(pool, region)
    except vpm.NotFound:
        durable.remove(manifests.data_path(info.vault, region.id))
        durable.remove(manifests.path(info.vault, region.id))
    except vpm.VpmError as e:
        LOG.error('%s: %s', region.name, e)


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
                regions: list[vpm.RegionInfo],
                unwritten: dict[str, str]) -> None:
    described = []
    for region in regions:
        try:
            described.append(manifests.describe(pool, region))
        except vpm.VpmError as e:
            LOG.error('%s: the vault will not have its region: %s',
                      region.name, e)
    manifests.write_pool(info.vault, str(info.uuid), manifests.Pool(
        described, _notes(pool.path), unwritten))


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
