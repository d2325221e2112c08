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

"""A host whose pool is on tmpfs and has a vault on a disk."""

import contextlib
import os
import shutil
import tempfile

from nova_temporality.vault import ahead
from nova_temporality.vault import creating
from nova_temporality.vault import restoring
from nova_temporality.vault import writing
from nova_temporality import vpm
from tests.framework import pools

# What a pool here is made with.
PARAMS = {'total_size': 8 << 20, 'state_size': 64 << 10, 'page_size': 4096,
          'descriptors': 8, 'uid_base': 0}


@contextlib.contextmanager
def directories():
    """One directory on tmpfs, and one on a disk."""
    with tempfile.TemporaryDirectory(
            prefix='temporality-test-', dir='/dev/shm') as volatile:
        with tempfile.TemporaryDirectory(
                prefix='temporality-test-', dir='/var/tmp') as disk:
            yield volatile, disk


class VaultedHost:
    """Servers without QEMUs, and reboots that empty the DRAM."""

    def __init__(self, volatile, disk, **params):
        self.disk = disk
        self.vault = os.path.join(disk, 'vault')
        self.pool_path = os.path.join(volatile, 'pool')
        self.pool = creating.create(self.pool_path, self.vault,
                                    **PARAMS | params)
        os.mkdir(os.path.join(disk, 'swap'), 0o711)

    def server(self, name='pvm', is_paged=False, fixated=True, data=b''):
        """Make a server that has run once."""
        region = (
            self.pool.alloc_vpm(name, 1 << 20, 512 << 10,
                                os.path.join(self.disk, 'swap'),
                                page_size=4096)
            if is_paged else self.pool.alloc(name, 1 << 20))
        self.pool.begin_epoch(region.id)
        self.poke(region, data or name.encode() * 1000)
        if fixated:
            pools.fixate(self.pool, region.id, name.encode())
        return region

    def running_server(self):
        """Make one that runs, with random memory."""
        region = self.server(fixated=False)
        self.poke(region, os.urandom(region.memory_size), 0)
        return region

    @staticmethod
    def poke(region, data, offset=100000):
        with open(region.ram_path, 'r+b') as ram:
            ram.seek(offset)
            ram.write(data)

    @staticmethod
    def memory(region):
        with open(region.ram_path, 'rb') as ram:
            return ram.read()

    def writer(self, running=('pvm',), hurried=False, halted=False):
        """One that writes ahead, as far as it is stepped."""
        return ahead.Ahead(self.pool, 1 << 20, lambda: running,
                           lambda: hurried, lambda: halted)

    def write(self, writer=None):
        with writer.stopped() if writer else contextlib.nullcontext():
            return writing.write(self.pool, ahead=writer)

    def lose_dram(self):
        """What is in DRAM after a boot: nothing."""
        self.pool.close()
        shutil.rmtree(self.pool_path)

    def restore(self):
        """Put the pool back; return what became of servers, by name."""
        outcomes = restoring.restore(self.vault, self.pool_path)
        self.pool = vpm.Pool(self.pool_path)
        if outcomes is None:
            return None
        return {outcome.name: outcome for outcome in outcomes}

    def reboot(self, writer=None):
        """A planned reboot; returns what restore() does."""
        assert self.write(writer) == {}
        self.lose_dram()
        return self.restore()

    def is_proven(self, name='pvm'):
        try:
            self.pool.verify_state(self.pool.lookup(name).id)
        except vpm.Unproven:
            return False
        return True

    def file(self, kind, region):
        """The path of what the vault has of a region."""
        return {'record': '%s/records/%016x', 'data': '%s/servers/%016x.data',
                'manifest': '%s/servers/%016x.manifest'}[kind] % (
                    self.vault, region.id)
