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

"""Servers with more memory than NVRAM, swapping hard when power fails."""

import dataclasses
import time

from demo import scenario
from demo import timeline
from pocketcloud import client
from pocketcloud import guest

FLAVOR = 'tp.paged'

MIB = 1 << 20

_COLUMNS = ('Size', 'NVRAM', 'In Memory', 'In Swap', 'MRR', 'Faults/s',
            'Swap-ins', 'Swap-outs')


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large everything is.

    :ivar servers: how many
    :ivar memory_mb: of a server
    :ivar mrr: percentage of it that is NVRAM
    :ivar keys: in each Redis
    :ivar length: characters of a value
    """

    servers: int
    memory_mb: int
    mrr: int
    keys: int
    length: int

    @property
    def nvram_size(self):
        """Bytes of NVRAM that a server may have, at most."""
        return self.memory_mb * MIB * self.mrr // 100 + MIB


# Together more than the pocket cloud's pool of 2 GiB.
DEMONSTRATION = Sizes(servers=3, memory_mb=704, mrr=15, keys=60000,
                      length=2048)


NAMES = ['paged-%d' % number
         for number in range(1, DEMONSTRATION.servers + 1)]


class PagedPowerCut(scenario.Scenario):
    """All servers survive, with what was in NVRAM and what was in swap.

    :param sizes: Sizes
    """

    def __init__(self, sizes, events):
        super().__init__(
            [scenario.Server(name, flavor=FLAVOR)
             for name in NAMES[:sizes.servers]],
            sizes.keys, sizes.length, events)
        self._sizes = sizes
        self.regions_before = None
        self.regions_after = None

    def clean_up(self):
        """Delete servers and flavor."""
        client.delete(*[server.name for server in self.servers])
        _delete_flavor()

    def _create(self):
        client.delete(*[server.name for server in self.servers])
        _delete_flavor()
        command = ['openstack', 'flavor', 'create', '--vcpus', '1', '--disk',
                   '1', '--ram', str(self._sizes.memory_mb),
                   '--property', 'temporality:persistent=true',
                   '--property', 'temporality:mrr=%d' % self._sizes.mrr,
                   FLAVOR]
        self._note('$ ' + ' '.join(command))
        client.run(*command)
        super()._create()

    def _work(self):
        self._count_before()
        super()._work()
        for server in self.servers:
            guest.Swapper(server.guest, self._keys)
        self._note('all keys of each Redis are read and written without end')

    def _check_before(self):
        self._check_armed()
        before = self._memory()
        self._wait_swapping(before)
        self.regions_before = self._memory()
        self._tell_regions(self.regions_before)
        self._check_sizes()

    def _memory(self):
        """The row of every server in "temporality region list"."""
        rows = {row['Server']: row
                for row in client.temporality('region', 'list')}
        return {server.name: rows[server.uuid] for server in self.servers}

    def _wait_swapping(self, before):
        deadline = time.monotonic() + client.PATIENCE
        while not all(
                now[column] > before[name][column]
                for name, now in self._memory().items()
                for column in ('Swap-ins', 'Swap-outs')):
            scenario.check('every server swaps in and out',
                           time.monotonic() < deadline, self._memory())
            time.sleep(0.5)

    def _check_sizes(self):
        total = client.temporality('pool', 'show')['total_size']
        memory = sum(row['Size'] for row in self.regions_before.values())
        self._note('%d MiB of memory in %d servers, %d MiB of NVRAM in the '
                   'pool, %d MiB of values in each Redis' % (
                       memory // MIB, len(self.servers), total // MIB,
                       self._keys * self._length // MIB))
        if self._sizes == DEMONSTRATION:
            scenario.check('their memory exceeds the pool', memory > total,
                           (memory, total))
        for name, row in self.regions_before.items():
            scenario.check('the Redis of %s exceeds its NVRAM' % name,
                           self._keys * self._length > row['NVRAM'], row)
            scenario.check('%s is within its NVRAM' % name,
                           row['In Memory'] <= row['NVRAM'] <=
                           self._sizes.nvram_size, row)
            scenario.check('%s has memory in swap, soundly' % name,
                           row['In Swap'] > 0 and row['Error'] is None, row)

    def _tell_regions(self, regions):
        self._note('temporality region list:')
        for line in timeline.table(
                ['Server', *_COLUMNS],
                [[name, *[_readable(column, row[column])
                          for column in _COLUMNS]]
                 for name, row in regions.items()]):
            self._note('  ' + line)

    def _check_after(self):
        # Before a client has touched much of it.
        found = self._memory()
        self._reconnect()
        for server in self.servers:
            self._check_survived(server)
            scenario.check('%s was recovered without reading its swap'
                           % server.name, found[server.name]['In Swap'] > 0,
                           found)
        self.regions_after = self._memory()
        self._tell_regions(self.regions_after)
        for name, row in self.regions_after.items():
            scenario.check('%s had no trouble with its swap' % name,
                           row['Error'] is None, row)

    def summary_rows(self):
        rows = super().summary_rows()
        for what, regions in (('before', self.regions_before),
                              ('after', self.regions_after)):
            for column in ('In Memory', 'In Swap', 'MRR'):
                rows.append(['%s, %s' % (column, what)] + [
                    _readable(column, regions[server.name][column])
                    for server in self.servers])
        return rows


def _delete_flavor():
    names = {row['Name'] for row in client.openstack('flavor', 'list')}
    if FLAVOR in names:
        client.run('openstack', 'flavor', 'delete', FLAVOR)


def _readable(column, value):
    if column == 'MRR':
        return '%.0f %%' % value
    if column in ('Size', 'NVRAM', 'In Memory', 'In Swap'):
        return '%d MiB' % (value // MIB)
    return value
