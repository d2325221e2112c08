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

"""Where snapshots lie, and which of them are complete.

A snapshot is a directory, <snapshot_dir>/<server>/<name>, that only root can
enter, because it holds a tenant's memory and disks. It is complete when it has
a manifest. That is written when all else is durable, and removed before all
else. Whoever changes or reads a snapshot holds a flock(2) of the directory.
"""

import dataclasses
import datetime
import fcntl
import hashlib
import json
import os
import re
import shutil
from typing import Self

from nova_temporality.host import blocks
from nova_temporality.host import durable
from nova_temporality.snapshot import error
from nova_temporality.snapshot import files
from nova_temporality.snapshot import manifest as manifest_module

VERSION = 1

RAM = 'ram'
STATE = 'state'
PAGE_TABLE = 'ppt'
SWAP = 'swap'
DOMAIN = 'domain.xml'
_MANIFEST = 'manifest.json'
_LOADS = 'loads'

COMPLETE = 'complete'
INCOMPLETE = 'incomplete'
DAMAGED = 'damaged'

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z')


@dataclasses.dataclass(frozen=True)
class Entry:
    """One snapshot in a list.

    :ivar condition: COMPLETE, INCOMPLETE or DAMAGED
    :ivar manifest: of a complete one, else None
    :ivar loads: how many times it was loaded
    :ivar size: bytes on the disk, as far as they are not shared
    """

    server: str
    name: str
    condition: str
    created: str
    manifest: manifest_module.Manifest | None
    loads: int
    size: int


class Snapshot:
    """One snapshot, there or not; a context manager that locks it.

    :param top: [temporality] snapshot_dir
    :param server: UUID
    :param name: of the snapshot
    :raises SnapshotError: no snapshot can have that name
    """

    def __init__(self, top: str, server: str, name: str) -> None:
        for what, value in (('server', server), ('name', name)):
            if not _NAME.match(value):
                raise error.SnapshotError(
                    "the %s is '%s'; it must be 1 to 64 letters, digits, "
                    "'.', '_' and '-', the first one a letter or digit"
                    % (what, value))
        self._top = top
        self.server = server
        self.name = name
        self.directory = os.path.join(top, server, name)
        # While it is locked.
        self._fd = -1

    def __enter__(self) -> Self:
        try:
            self._fd = os.open(self.directory,
                               os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise error.SnapshotError(
                "server %s has no snapshot '%s' in %s; \"temporality "
                'snapshot list" shows all' % (self.server, self.name,
                                              self._top))
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise error.SnapshotError(
                "snapshot '%s' of server %s is being made, loaded or deleted "
                'by another process' % (self.name, self.server))
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._fd)

    def path(self, name: str) -> str:
        """Of one of its files."""
        return os.path.join(self.directory, name)

    # -- making -----------------------------------------------------------

    def make(self) -> None:
        """Make its directory, without anything in it.

        :raises SnapshotError: it is there already
        """
        os.makedirs(self._top, 0o700, exist_ok=True)
        _check_private(self._top)
        try:
            durable.make_directory(os.path.dirname(self.directory))
        except FileExistsError:
            pass
        try:
            durable.make_directory(self.directory)
        except FileExistsError:
            raise error.SnapshotError(
                "server %s has a snapshot '%s' already; choose another "
                '--name, or delete it' % (self.server, self.name))

    def complete(self, contents: manifest_module.Contents) -> None:
        """Make its files durable, and then their manifest.

        :param contents: to whose files sizes and digests are added
        """
        for name, about in contents['files'].items():
            path = self.path(name)
            durable.sync(path)
            about['size'] = os.path.getsize(path)
            about['sha256'] = files.digest(path)
        durable.sync(self.directory)
        manifest: manifest_module.Manifest = {
            **contents, 'version': VERSION, 'server': self.server,
            'name': self.name, 'created': _now()}
        durable.write(self.path(_MANIFEST), json.dumps(
            {'manifest': manifest, 'sha256': _digest(manifest)},
            indent=1).encode())

    # -- reading ----------------------------------------------------------

    def manifest(self) -> manifest_module.Manifest:
        """The manifest of a complete snapshot.

        :raises SnapshotError: it is not, or not one that we can read
        """
        try:
            with open(self.path(_MANIFEST), 'rb') as stream:
                found = json.load(stream)
            manifest: manifest_module.Manifest = found['manifest']
            sound = found['sha256'] == _digest(manifest)
        except FileNotFoundError:
            raise error.SnapshotError(
                "snapshot '%s' of server %s is incomplete: it was cut off; "
                'delete it' % (self.name, self.server))
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound or (manifest.get('server'), manifest.get('name')) != (
                self.server, self.name):
            raise error.SnapshotError(
                '%s is damaged, or that of another snapshot; no part of it '
                'can be trusted' % self.path(_MANIFEST))
        if manifest['version'] != VERSION:
            raise error.SnapshotError(
                "snapshot '%s' has version %s; this release reads %d"
                % (self.name, manifest['version'], VERSION))
        return manifest

    def verify(self, manifest: manifest_module.Manifest) -> None:
        """Read all files and compare them with the manifest.

        :raises SnapshotError: one is damaged or missing
        """
        for name, about in manifest['files'].items():
            try:
                sound = (os.path.getsize(self.path(name)) == about['size'] and
                         files.digest(self.path(name)) == about['sha256'])
            except FileNotFoundError:
                sound = False
            if not sound:
                raise error.SnapshotError(
                    '%s is missing or damaged: it is not what its manifest '
                    'says (sha256 %s); the snapshot cannot be loaded'
                    % (self.path(name), about['sha256']))

    # -- once it is complete ----------------------------------------------

    def note_load(self, genid: str) -> None:
        """Record that it is loaded, before anything can run from it.

        :param genid: generation ID of that fork
        """
        durable.write(self.path(_LOADS), self._loads() + json.dumps(
            {'loaded': _now(), 'genid': genid}).encode() + b'\n')

    def _loads(self) -> bytes:
        try:
            with open(self.path(_LOADS), 'rb') as stream:
                return stream.read()
        except FileNotFoundError:
            return b''

    def delete(self) -> None:
        """Remove it; if that is cut off, it is an incomplete snapshot."""
        durable.remove(self.path(_MANIFEST))
        shutil.rmtree(self.directory)
        durable.sync(os.path.dirname(self.directory))

    def entry(self) -> Entry:
        """Describe it."""
        manifest = None
        try:
            manifest = self.manifest()
            condition, created = COMPLETE, manifest['created']
        except error.SnapshotError:
            condition = (DAMAGED if os.path.exists(self.path(_MANIFEST))
                         else INCOMPLETE)
            created = _when(os.stat(self.directory).st_mtime)
        size = sum(blocks.allocated(one.stat())
                   for one in os.scandir(self.directory)
                   if one.is_file() and not (
                       manifest and manifest['files'].get(one.name, {}).get(
                           'cloned')))
        return Entry(self.server, self.name, condition, created, manifest,
                     self._loads().count(b'\n'), size)


def entries(top: str, server: str | None = None) -> list[Entry]:
    """List all snapshots, or a server's.

    :raises SnapshotError: no server can have that UUID
    """
    found = []
    for one in [server] if server else _names(top):
        for name in _names(os.path.join(top, one)):
            try:
                found.append(Snapshot(top, one, name).entry())
            except FileNotFoundError:
                pass  # it was deleted meanwhile
    return sorted(found, key=lambda entry: (entry.server, entry.created))


def _names(directory: str) -> list[str]:
    try:
        return [one.name for one in os.scandir(directory)
                if one.is_dir(follow_symlinks=False) and
                _NAME.match(one.name)]
    except FileNotFoundError:
        return []


def _check_private(top: str) -> None:
    found = os.stat(top)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise error.SnapshotError(
            'snapshot_dir %s has mode 0%o and owner %d; it will hold memory '
            'of tenants, so it must be root\'s, with mode 0700'
            % (top, found.st_mode & 0o777, found.st_uid))


def _digest(manifest: manifest_module.Manifest) -> str:
    return hashlib.sha256(
        json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return _when(datetime.datetime.now().timestamp())


def _when(timestamp: float) -> str:
    return datetime.datetime.fromtimestamp(
        timestamp, datetime.timezone.utc).isoformat(timespec='seconds')
