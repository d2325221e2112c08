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

"""A server that stands still, with a real pool and real files."""

import os
import pathlib
import shutil
import tempfile
from unittest import mock

import pytest

from nova_temporality.snapshot import loading
from nova_temporality.snapshot import making
from nova_temporality.snapshot import saving
from nova_temporality.snapshot import store
from nova_temporality import vpm
from tests.framework import pools

SERVER = 'a4e5c1d6-0000-4000-8000-000000000001'
FORK = 'a4e5c1d6-0000-4000-8000-00000000000f'
SIZE = 512 << 10

# In the status of a page table file, see struct vpm_ppt_status.
_COUNTER = 4096 + 24

DOMAIN = """<domain><genid>%s</genid><vcpu>1</vcpu><devices>
%s<interface><mac address="fa:16:3e:00:00:01"/></interface>
</devices><seclabel model="none"/>
<seclabel type="static" model="dac"><label>+7:+8</label></seclabel></domain>"""
_DISK = """<disk type="file" device="disk"><driver type="raw"/>
<source file="%s"/><target dev="vd%s"/></disk>
"""


class Server:
    """A server that stands still, with two disks.

    :param paged: whether it has less NVRAM than memory
    """

    def __init__(self, top, pool, paged):
        self.top = top
        self.pool = pool
        if paged:
            (top / 'swap').mkdir(0o711)
            self.region = pool.alloc_vpm(SERVER, SIZE, SIZE // 2,
                                         top / 'swap', page_size=4096)
        else:
            self.region = pool.alloc(SERVER, SIZE)
        self.disks = [top / 'disk-a', top / 'disk-b']
        self.domain = top / 'domain.xml'
        self.domain.write_text(DOMAIN % (SERVER, ''.join(
            _DISK % (path, path.name[-1]) for path in self.disks)))
        self.snapshots = str(top / 'snapshots')
        # By its flavor, which does not say it.
        self.disk_size = 0
        self.fixated = False
        self.become(b'then')

    def become(self, what):
        """Write to memory and disks, and be fixated."""
        self.pool.begin_epoch(self.region.id)
        for path in self.memory():
            with open(path, 'r+b') as memory:
                memory.seek(_COUNTER)
                memory.write(what[:4])
        for path in self.disks:
            path.write_bytes(what + path.name.encode())
        pools.fixate(self.pool, self.region.id, what + b'-state')

    def memory(self):
        """Paths of the files that its memory is in."""
        if not self.region.is_vpm:
            return [self.region.ram_path]
        return [self.region.ram_path, self.region.swap_path,
                os.path.join(self.region.directory, 'ppt')]

    def be_stopped(self):
        """Have run on, and be off."""
        self.become(b'later')
        self.pool.begin_epoch(self.region.id)

    def contents(self):
        """What it would run with, or None if it would not run from a state.

        :returns: tuple of memory, disks and generation ID
        """
        try:
            self.pool.verify_state(self.region.id)
        except vpm.Unproven:
            return None
        return self.everything()

    def everything(self):
        memory = []
        for path in self.memory():
            with open(path, 'rb') as stream:
                memory.append(stream.read())
        return (memory, [path.read_bytes() for path in self.disks],
                b'<genid>' + FORK.encode() in self.domain.read_bytes())

    def snapshot(self, name='one'):
        return store.Snapshot(self.snapshots, SERVER, name)

    def make(self, name='one'):
        snapshot = self.snapshot(name)
        making.make(snapshot, self.domain.read_text,
                    lambda directory, disks, at_most: saving.save(
                        self.pool, self.region, directory, disks, at_most),
                    saving.memory_size(self.region), self.disk_size)
        return snapshot

    def load(self, **owner):
        """See loading.load(); methods of the owner may be replaced."""
        with self.snapshot() as snapshot:
            loading.load(self.pool, self.region, snapshot, FORK,
                         str(self.domain), mock.Mock(**owner))

    def unfinished(self):
        return loading.unfinished(self.pool.path, SERVER)

    def condition(self):
        return {one.name: one.condition
                for one in store.entries(self.snapshots)}


@pytest.fixture
def make_server():
    tops, opened = [], []

    def make(paged=False):
        tops.append(pathlib.Path(tempfile.mkdtemp(dir='/dev/shm')))
        opened.append(pools.create(tops[-1] / 'pool'))
        return Server(tops[-1], opened[-1], paged)
    yield make
    for pool in opened:
        pool.close()
    for top in tops:
        shutil.rmtree(top)


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture(params=[False, True], ids=['resident', 'paged'])
def paged(request):
    return request.param
