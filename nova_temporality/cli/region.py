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

"""temporality region ..."""

import argparse
from collections import abc
import time
from typing import Any

from cliff import lister

from nova_temporality.cli import columns
from nova_temporality.cli import config
from nova_temporality.host import nvdimm_notes
from nova_temporality import vpm
from nova_temporality.vpm import lease

# Seconds over which faults are counted.
_RATE_SECONDS = 0.5


class RegionList(lister.Lister):
    """List the regions: whose memory they are, and whether a state is proven.

    Paged regions also show how much of the touched memory is in NVRAM and how
    much in the swap file, and how busy their pagers are.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'servers', nargs='*', metavar='<uuid>',
            help='only those of these servers')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        with vpm.Pool(config.options(self).pool_path) as pool:
            regions = [region for region in pool.regions()
                       if region.name in (parsed_args.servers or
                                          [region.name])]
            before = _stats(pool, regions)
            if before:
                time.sleep(_RATE_SECONDS)
            stats = _stats(pool, regions)
            rows = [_row(pool, region) + _paging(
                region, before.get(region.id), stats.get(region.id))
                for region in regions]
        return ('ID', 'Server', 'Sequence', 'Size', 'NVRAM', 'Epoch',
                'Descriptor', 'User ID', 'State', 'Reason', 'In Memory',
                'In Swap', 'MRR', 'Faults/s', 'Swap-ins', 'Swap-outs',
                'Page Size', 'Policy', 'Error'), rows


def _stats(pool: vpm.Pool, regions: abc.Iterable[vpm.RegionInfo]
           ) -> dict[int, vpm.RegionStats | vpm.VpmError]:
    """Statistics of paged regions, or why there are none, by id."""
    found: dict[int, vpm.RegionStats | vpm.VpmError] = {}
    for region in regions:
        if region.is_vpm:
            try:
                found[region.id] = pool.stats(region.id)
            except vpm.VpmError as e:
                found[region.id] = e
    return found


def _row(pool: vpm.Pool, region: vpm.RegionInfo) -> tuple[Any, ...]:
    try:
        nvdimm_notes.proven_state(pool, region)
        state, reason = 'proven', ''
    except vpm.Unproven as e:
        state, reason = 'unproven', str(e)
    return ('%016x' % region.id, region.name, region.sequence,
            columns.Size(region.memory_size), columns.Size(region.size),
            region.epoch, region.descriptor, region.uid, state, reason or None)


def _paging(region: vpm.RegionInfo,
            before: vpm.RegionStats | vpm.VpmError | None,
            stats: vpm.RegionStats | vpm.VpmError | None) -> tuple[Any, ...]:
    if before is None or stats is None:
        return (None,) * 9
    size = columns.Size(region.page_size)
    if isinstance(before, vpm.VpmError):
        return (None,) * 6 + (size, region.policy, str(before))
    if isinstance(stats, vpm.VpmError):
        return (None,) * 6 + (size, region.policy, str(stats))
    return (columns.Size(stats.in_memory), columns.Size(stats.in_swap),
            round(stats.mrr, 1),
            round((stats.faults - before.faults) / _RATE_SECONDS),
            stats.swap_ins, stats.swap_outs, size, region.policy,
            stats.error)


class RegionGc(lister.Lister):
    """Scrub and free the regions of servers that are gone.

    Nova is asked about each region. It is freed if its server was deleted, or
    is on another host now. Exits with 1 if Nova does not answer, or if a
    region is in use.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--nova-config-file', action='append', metavar='<path>',
            help="nova-compute's configuration; may be repeated (default: "
                 '/etc/nova/nova.conf)')
        parser.add_argument(
            '--unknown', action='store_true',
            help='also free regions of servers that Nova does not know at '
                 'all, because its records of them were purged')
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.failed = False
        super().run(parsed_args)
        return 1 if self.failed else 0

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        # Nova is large, and no other command needs it.
        from nova_temporality import privsep
        from nova_temporality.privsep import regions
        from nova_temporality.virt import conductor
        # This process is root already: no privileged helper is needed.
        privsep.pool_pctxt.set_client_mode(False)
        conductor.connect(parsed_args.nova_config_file or [
            '/etc/nova/nova.conf'])
        gone = {conductor.DELETED, conductor.ELSEWHERE}
        if parsed_args.unknown:
            gone.add(conductor.UNKNOWN)
        conf = config.options(self)
        rows = []
        for name in regions.names(conf.pool_path):
            try:
                found = conductor.ask(name)
                done = 'kept'
                if found in gone:
                    regions.reclaim(conf.pool_path, conf.run_dir, name)
                    done = 'freed'
            except (conductor.NoAnswer, lease.RegionInUse,
                    vpm.VpmError) as exc:
                self.failed = True
                found, done = str(exc), 'kept'
            rows.append((name, found or 'here', done))
        return ('Server', 'Found', 'Region'), rows
