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

"""temporality pool ..."""

import argparse
import os

from cliff import command
from cliff import lister
from cliff import show

from nova_temporality.cli import columns
from nova_temporality.cli import config
from nova_temporality.cli import sizes
from nova_temporality.host import large_pages
from nova_temporality.vault import creating
from nova_temporality import vpm


class CommandError(Exception):
    """A command cannot do what was requested."""


class PoolCreate(show.ShowOne):
    """Format a directory of an NVRAM file system as this host's pool."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_path(parser)
        parser.add_argument(
            '--size', type=sizes.parse, metavar='<size>',
            help="NVRAM for servers' memory, e.g. 64G (default: the free "
                 'space of the file system except that for the state files)')
        parser.add_argument(
            '--state-size', type=sizes.parse, metavar='<size>',
            default=vpm.DEFAULT_STATE_SIZE,
            help="room for one server's vCPU and device state (default: %s)"
                 % sizes.show(vpm.DEFAULT_STATE_SIZE))
        parser.add_argument(
            '--page-size', type=sizes.parse, metavar='<size>',
            default=vpm.DEFAULT_PAGE_SIZE,
            help='granularity of allocation (default: %s)'
                 % sizes.show(vpm.DEFAULT_PAGE_SIZE))
        parser.add_argument(
            '--descriptors', type=int, metavar='<count>',
            default=vpm.DEFAULT_DESCRIPTORS,
            help='number of servers that the pool can hold at most '
                 '(default: %(default)s)')
        parser.add_argument(
            '--uid-base', type=int, metavar='<uid>',
            default=vpm.DEFAULT_UID_BASE,
            help='first user id of those that servers run under, one for '
                 'each descriptor; no other process may use them '
                 '(default: %(default)s)')
        parser.add_argument(
            '--medium', choices=sorted(vpm.MEDIA),
            help='refuse any other medium; "file" is an ordinary file system, '
                 'which is refused unless it is named here: a pool is not to '
                 'be formatted on the mount point when the NVRAM was not '
                 'mounted')
        parser.add_argument(
            '--vault', metavar='<directory>',
            help='for a pool on tmpfs: a directory on a disk, to which it is '
                 'written before planned reboots ("temporality fixate '
                 '--for-reboot"), and from which "temporality vault restore" '
                 'makes it again. Name it in [temporality] vault_path, too')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        path = _path(self, parsed_args)
        size = parsed_args.size
        if size is None:
            size = self._default_size(path, parsed_args)
        if parsed_args.vault:
            return self._create_with_vault(path, size, parsed_args)
        media = ([parsed_args.medium] if parsed_args.medium else
                 ['dax', 'tmpfs'])
        try:
            pool = vpm.Pool.create(
                path, total_size=size, state_size=parsed_args.state_size,
                page_size=parsed_args.page_size,
                descriptors=parsed_args.descriptors,
                uid_base=parsed_args.uid_base, media=media)
        except vpm.WrongMedium as e:
            raise CommandError('No pool is formatted at %s: %s %s' % (
                path, e, '(--medium names the one that you mean)'))
        with pool:
            return _describe(self, pool)

    def _create_with_vault(self, path: str, size: int,
                           parsed_args: argparse.Namespace) -> columns.Table:
        if ',' in parsed_args.vault:
            raise CommandError('--vault names several directories (%s); name '
                               'one' % parsed_args.vault)
        if parsed_args.medium not in (None, 'tmpfs'):
            raise CommandError(
                'A pool on the medium "%s" needs no --vault: leave out one of '
                'the two' % parsed_args.medium)
        configured = config.options(self).vault_path
        if os.path.realpath(configured) != os.path.realpath(
                parsed_args.vault):
            self.app.LOG.warning(
                '[temporality] vault_path is "%s"; set it to %s, or nothing '
                'is restored after a reboot', configured, parsed_args.vault)
        with creating.create(
                path, parsed_args.vault, total_size=size,
                state_size=parsed_args.state_size,
                page_size=parsed_args.page_size,
                descriptors=parsed_args.descriptors,
                uid_base=parsed_args.uid_base) as pool:
            return _describe(self, pool)

    def _default_size(self, path: str,
                      parsed_args: argparse.Namespace) -> int:
        parent = os.path.dirname(os.path.abspath(path))
        stat = os.statvfs(path if os.path.isdir(path) else parent)
        free = stat.f_bavail * stat.f_frsize
        reserve = parsed_args.state_size * parsed_args.descriptors
        size = free - reserve
        if parsed_args.page_size > 0:
            size -= size % parsed_args.page_size
        if size <= 0:
            raise CommandError(
                '%s are free, of which %d state files of %s would take %s; '
                'give fewer --descriptors, a smaller --state-size, or --size'
                % (sizes.show(free), parsed_args.descriptors,
                   sizes.show(parsed_args.state_size), sizes.show(reserve)))
        self.app.LOG.info(
            "Taking %s for servers' memory: all free space except %s for "
            'state files', sizes.show(size), sizes.show(reserve))
        return size


class PoolShow(show.ShowOne):
    """Show what the pool is and how much of it is used.

    Exits with 1 if it is not on the medium that it was made on.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_path(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.problem: str | None = None
        super().run(parsed_args)
        return 1 if self.problem else 0

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        with vpm.Pool(_path(self, parsed_args)) as pool:
            self.problem = pool.info().medium_problem
            return _describe(self, pool)


class PoolRecord(show.ShowOne):
    """Record on what medium the pool was made: the one on which it lies."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_path(parser)
        parser.add_argument(
            '--medium', choices=sorted(vpm.MEDIA), required=True,
            help='refused if the pool does not lie on it now')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        with vpm.Pool(_path(self, parsed_args)) as pool:
            pool.record_medium(parsed_args.medium)
            return _describe(self, pool)


class PoolCheck(lister.Lister):
    """Examine the pool without changing anything; exit with 1 on findings."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_path(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.findings = vpm.check(_path(self, parsed_args))
        super().run(parsed_args)
        return 1 if self.findings else 0

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        return ('Finding',), [(finding,) for finding in self.findings]


def _add_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'path', nargs='?', metavar='<path>',
        help='of the pool (default: [temporality] pool_path)')


def _path(command: command.Command,
          parsed_args: argparse.Namespace) -> str:
    path: str = parsed_args.path or config.options(command).pool_path
    return path


def _describe(command: command.Command, pool: vpm.Pool) -> columns.Table:
    info = pool.info()
    remark = info.remark(pool.path, config.options(command).vault_hold_up)
    if info.medium_problem:
        command.app.LOG.error('%s', info.medium_problem)
    elif remark:
        command.app.LOG.warning('%s', remark)
    names, values = zip(
        ('path', pool.path),
        ('uuid', str(info.uuid)),
        ('version', info.version),
        ('medium', info.medium_shown),
        ('made_on', info.made_on),
        ('flush', info.flush),
        ('vault', info.vault or None),
        ('total_size', columns.Size(info.total_size)),
        ('used_size', columns.Size(info.used_size)),
        ('freed_size', columns.Size(info.freed_size)),
        ('state_size', columns.Size(info.state_size)),
        ('page_size', columns.Size(info.page_size)),
        ('guest_page_sizes', ', '.join(
            sizes.show(size_kb << 10) for size_kb in large_pages.sizes_kb(
                pool.path, info.medium))),
        ('descriptors', info.descriptors),
        ('used_descriptors', info.used_descriptors),
        ('uid_base', info.uid_base))
    return names, values
