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

"""What the vault's manifests say of regions.

They are bound to a record of libvpm by its number: once that is advanced, they
are stale.
"""

import dataclasses
import os

from nova_temporality.vault import data
from nova_temporality.vault import sealed
from nova_temporality import vpm
from nova_temporality.vpm import sums

_SUFFIX = '.manifest'
# In the place of a manifest: its data is overwritten, and proves nothing.
_BEGUN = 'begun'


@dataclasses.dataclass(frozen=True)
class Region:
    """A region, as the vault has it.

    :ivar entry: of the table of contents, in hex digits
    :ivar runs: see vpm.RegionExport
    :ivar swap_dir: where its swap file is; '' if it has none
    """

    name: str
    entry: str
    runs: int
    swap_dir: str

    def exported(self) -> vpm.RegionExport:
        """What libvpm imports."""
        return vpm.RegionExport(bytes.fromhex(self.entry), self.runs)


@dataclasses.dataclass(frozen=True)
class Server:
    """A server with a proven state, as the vault has it.

    :ivar epoch: of its state
    :ivar persisted_ns: of its state
    :ivar checksums: of the parts, by their names
    """

    region: Region
    epoch: int
    persisted_ns: int
    parts: list[data.Part]
    checksums: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes that are not all zero, in whole chunks."""
        return sums.CHUNK * sum(
            checksums[at:at + sums.SIZE] != sums.ZERO
            for checksums in self.checksums.values()
            for at in range(0, len(checksums), sums.SIZE))

    def is_of(self, region: Region, state: vpm.StateInfo) -> bool:
        """Whether this is the same state of the same memory."""
        return (self.region, self.epoch, self.persisted_ns) == (
            region, state.epoch, state.persisted_ns)


@dataclasses.dataclass(frozen=True)
class Pool:
    """What is not of one server alone.

    :ivar regions: all that there are, with a proven state or not
    :ivar notes: contents of small files, in base64, by their names
    :ivar unwritten: why servers with a proven state are not in the vault, by
                     name; one whose manifest proves otherwise is
    """

    regions: list[Region] = dataclasses.field(default_factory=list)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    unwritten: dict[str, str] = dataclasses.field(default_factory=dict)


def describe(pool: vpm.Pool, region: vpm.RegionInfo) -> Region:
    """Describe a region as it is now.

    :raises vpm.VaultUnavailable: its record cannot be read
    """
    exported = pool.export_region(region.id)
    return Region(region.name, exported.entry.hex(), exported.runs,
                  os.path.dirname(region.swap_path))


def seed(pool_uuid: str, region: Region) -> int:
    """What binds checksums to one state of a region (see data.seed())."""
    return data.seed(pool_uuid, region.entry, region.runs)


def data_path(vault: str, id: int) -> str:
    """Where the data of a region is."""
    return os.path.join(vault, 'servers', '%016x.data' % id)


def path(vault: str, id: int) -> str:
    """Where the manifest of a region is."""
    return os.path.join(vault, 'servers', '%016x%s' % (id, _SUFFIX))


def region_id(path: str) -> int:
    """Of which region a file is; 0 if its name is none of ours."""
    try:
        return int(os.path.basename(path).removesuffix(_SUFFIX), 16)
    except ValueError:
        return 0


def all_paths(vault: str) -> list[str]:
    """Where all manifests of servers are."""
    directory = os.path.join(vault, 'servers')
    return [os.path.join(directory, name)
            for name in sorted(os.listdir(directory))
            if name.endswith(_SUFFIX)]


def begin(path: str, pool_uuid: str, region: Region) -> None:
    """Note, durably, that the data of a server is overwritten.

    From then on no former manifest proves it. It is noted once for each run.
    """
    if begun(path, pool_uuid) != region:
        sealed.write(path, _BEGUN, {
            'pool': pool_uuid, 'region': dataclasses.asdict(region)})


def begun(path: str, pool_uuid: str) -> Region | None:
    """The region for which begin() was the last that was done, if any."""
    try:
        fields, _extra = sealed.read(path, _BEGUN)
    except (sealed.Damaged, FileNotFoundError):
        return None
    return Region(**fields['region']) if fields['pool'] == pool_uuid else None


def write(path: str, pool_uuid: str, server: Server) -> None:
    """Write the manifest of a server, whose data is durable."""
    sealed.write(path, 'server', {
        'pool': pool_uuid,
        'region': dataclasses.asdict(server.region),
        'epoch': server.epoch,
        'persisted_ns': server.persisted_ns,
        'parts': [dataclasses.asdict(part) for part in server.parts],
    }, b''.join(server.checksums[part.name] for part in server.parts))


def read(path: str, pool_uuid: str) -> Server:
    """Read the manifest of a server.

    :raises sealed.Damaged: it is damaged, or of another pool
    :raises FileNotFoundError: there is none
    """
    fields, extra = sealed.read(path, 'server')
    if fields['pool'] != pool_uuid:
        raise sealed.Damaged('%s belongs to pool %s' % (path, fields['pool']))
    parts = [data.Part(**part) for part in fields['parts']]
    checksums: dict[str, bytes] = {}
    for part in parts:
        length = -(-part.size // sums.CHUNK) * sums.SIZE
        checksums[part.name], extra = extra[:length], extra[length:]
    return Server(Region(**fields['region']), fields['epoch'],
                  fields['persisted_ns'], parts, checksums)


def write_pool(vault: str, pool_uuid: str, pool: Pool) -> None:
    """Write what is not of one server alone."""
    sealed.write(os.path.join(vault, 'manifest'), 'pool',
                 {'pool': pool_uuid, **dataclasses.asdict(pool)})


def read_pool(vault: str, pool_uuid: str) -> Pool:
    """Read what write_pool() wrote; nothing if it never did.

    :raises sealed.Damaged: it is damaged, or of another pool
    """
    try:
        fields, _extra = sealed.read(os.path.join(vault, 'manifest'), 'pool')
    except FileNotFoundError:
        return Pool()
    if fields['pool'] != pool_uuid:
        raise sealed.Damaged('the manifest of %s belongs to pool %s' %
                             (vault, fields['pool']))
    # An earlier release wrote down no failures.
    return Pool([Region(**region) for region in fields['regions']],
                fields['notes'], fields.get('unwritten', {}))
