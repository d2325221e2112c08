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

"""temporality snapshot ..."""

import argparse
import datetime
from typing import Any

from cliff import command
from cliff import lister
from cliff import show

from nova_temporality.cli import columns
from nova_temporality.cli import config
from nova_temporality.cli import sizes
from nova_temporality.notifier import client
from nova_temporality.snapshot import error
from nova_temporality.snapshot import store
from nova_temporality import vpm
from nova_temporality.vpm import lease
from nova_temporality.vpm import runlock

_NOVA_CONF = '/etc/nova/nova.conf'


class _Milliseconds(columns.Formattable[float]):
    """A duration."""

    def human_readable(self) -> str:
        return '%.1f ms' % self._value


class _OfSnapshot(command.Command):
    """A command about one snapshot."""

    name_required = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('server', metavar='<server>',
                            help='UUID of the server')
        if self.name_required:
            parser.add_argument('name', metavar='<name>',
                                help='name of the snapshot')
        _add_directory(parser)
        return parser

    def snapshot(self, parsed_args: argparse.Namespace,
                 name: str) -> store.Snapshot:
        """Return the snapshot of a name."""
        return store.Snapshot(_top(self, parsed_args), parsed_args.server,
                              name)


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--directory', metavar='<path>',
        help='where snapshots lie (default: [temporality] snapshot_dir)')


def _top(command: command.Command, parsed_args: argparse.Namespace) -> str:
    """Return the directory of all snapshots."""
    directory: str = (parsed_args.directory or
                      config.options(command).snapshot_dir)
    return directory


def _add_nova(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--nova-config-file', action='append', metavar='<path>',
        help="nova-compute's configuration; may be repeated (default: %s)"
             % _NOVA_CONF)


def _with_nova(parsed_args: argparse.Namespace, function: str,
               *args: Any) -> Any:
    """Call a function of virt.snapshots; say what went wrong in words."""
    # Nova is large, and few commands need it.
    from nova_temporality.virt import conductor
    from nova_temporality.virt import snapshots
    conductor.connect(parsed_args.nova_config_file or [_NOVA_CONF])
    try:
        return getattr(snapshots, function)(*args)
    except (vpm.VpmError, client.NotifierError, runlock.RunLockTimeout,
            lease.RegionInUse) as exc:
        raise error.SnapshotError(str(exc))


class SnapshotCreate(_OfSnapshot, show.ShowOne):
    """Copy a server's state, memory and disks, as they are at one instant.

    A server that runs stands still meanwhile, and then runs on. Disks share
    their blocks with the copies where the file system can do that.
    """

    name_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('--name', metavar='<name>',
                            help='name of the snapshot (default: the time)')
        _add_nova(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        name = parsed_args.name or datetime.datetime.now(
            datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
        snapshot = self.snapshot(parsed_args, name)
        _with_nova(parsed_args, 'create', config.options(self), snapshot)
        manifest = snapshot.manifest()
        files = manifest['files'].values()
        return (('server', 'name', 'directory', 'stood_still', 'memory_size',
                 'shared', 'not_shared', 'resting_on'),
                (snapshot.server, name, snapshot.directory,
                 _Milliseconds(manifest.get('stood_still_ms', 0.0)),
                 columns.Size(manifest['memory_size']),
                 columns.Size(sum(file['size'] for file in files
                                  if file.get('cloned'))),
                 columns.Size(snapshot.entry().size),
                 '\n'.join(manifest['read_only'])))


class SnapshotLoad(_OfSnapshot):
    """Put a server back to what it was when the snapshot was made.

    The server must be stopped or suspended. The present contents of its
    memory and disks are lost. Afterwards it is suspended: "openstack server
    resume" lets it run on from the snapshot.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--fork', action='store_true',
            help='run a state again that has run already. The guest gets a '
                 'new generation ID, which tells it so. Without this option '
                 'nothing is done')
        _add_nova(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with self.snapshot(parsed_args, parsed_args.name) as snapshot:
            if not parsed_args.fork:
                raise error.SnapshotError(
                    'the server ran on from the state in this snapshot, or '
                    'still has it. To run the state once more is to fork the '
                    'server. If you want that, give --fork')
            _with_nova(parsed_args, 'load', config.options(self),
                       snapshot)
        self.app.stdout.write(
            'Loaded. The server is suspended; "openstack server resume %s" '
            'lets it run on from the snapshot.\n' % snapshot.server)


class SnapshotList(lister.Lister):
    """List snapshots, of one server or of all."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('server', metavar='<server>', nargs='?',
                            help='UUID of the server (default: all)')
        _add_directory(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        return (('Server', 'Name', 'Created', 'State', 'Loads',
                 'Memory', 'Disks Shared', 'Size'),
                [_row(entry) for entry in store.entries(
                    _top(self, parsed_args), parsed_args.server)])


def _row(entry: store.Entry) -> tuple[Any, ...]:
    memory = shared = None
    if entry.manifest:
        memory = columns.Size(entry.manifest['memory_size'])
        shared = columns.Size(sum(
            file['size'] for file in entry.manifest['files'].values()
            if file.get('cloned')))
    return (entry.server, entry.name, entry.created, entry.condition,
            entry.loads, memory, shared, columns.Size(entry.size))


class SnapshotDelete(_OfSnapshot):
    """Remove a snapshot, complete or not."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with self.snapshot(parsed_args, parsed_args.name) as snapshot:
            size = snapshot.entry().size
            snapshot.delete()
        self.app.stdout.write('Deleted, %s.\n' % sizes.show(size))
