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

"""What regions are to nova-compute; tests/unit/virt has the rest."""

import os

import pytest

from nova_temporality.host import budget
from nova_temporality.host import large_pages
from nova_temporality.host import notes
from nova_temporality.host import nvdimm_notes
from nova_temporality.host import nvdimms
from nova_temporality.host import paths
from nova_temporality.privsep import regions
from nova_temporality import vpm
from nova_temporality.vpm import lease
from tests.framework import pools

pytestmark = pytest.mark.usefixtures('helper')

MEMORY = 16 << 20


def ensure(pool, nvram_size, swap_dir=''):
    return regions.ensure(pool.path, 'pvm', MEMORY, nvram_size, swap_dir, 0,
                          's3fifo')


def test_pool_info(pool):
    assert regions.pool_info(pool.path) == pool.info()


def test_ensure(pool):
    region = ensure(pool, MEMORY)
    assert region == pool.lookup('pvm')
    assert not region.is_vpm
    assert ensure(pool, MEMORY) == region


def test_ensure_a_paged_one(pool, tmp_path):
    (tmp_path / 'swap').mkdir()
    region = ensure(pool, MEMORY // 2, str(tmp_path / 'swap'))
    assert region == pool.lookup('pvm')
    assert region.is_vpm
    assert region.memory_path == region.virtual_path


def test_ensure_a_paged_one_without_a_place_for_swap(pool, tmp_path):
    with pytest.raises(regions.NoSwapDirectory,
                       match='%s .*swap_dir.* is not there; make it' %
                       (tmp_path / 'swap')):
        ensure(pool, MEMORY // 2, str(tmp_path / 'swap'))
    assert not pool.regions()


def test_ensure_one_in_large_pages(pool, monkeypatch):
    def allocate():
        return regions.ensure(pool.path, 'pvm', MEMORY, MEMORY, '', 0,
                              's3fifo', in_large_pages=True)

    monkeypatch.setattr(large_pages, 'problem', lambda *args: 'it has none')
    monkeypatch.setattr(pool.__class__, 'alloc', None)
    with pytest.raises(regions.NoLargePages, match='it has none'):
        allocate()
    monkeypatch.undo()
    monkeypatch.setattr(large_pages, 'problem', lambda *args: None)
    asked = []
    monkeypatch.setattr(large_pages, 'are_given',
                        lambda *args: asked.append(args))
    with pytest.raises(regions.NoLargePages, match='fragmented'):
        allocate()
    assert not pool.regions()
    monkeypatch.setattr(large_pages, 'are_given', lambda *args: True)
    region = allocate()
    assert asked == [(region.ram_path, MEMORY)]
    # What is there stays.
    monkeypatch.setattr(large_pages, 'problem', lambda *args: 'it has none')
    assert allocate() == region


def test_lookup(pool):
    with pytest.raises(vpm.NotFound):
        regions.lookup(pool.path, 'pvm')
    assert regions.lookup(pool.path, pool.alloc('pvm', MEMORY).name) == (
        pool.lookup('pvm'))


def test_proven_state(pool):
    region = pool.alloc('pvm', MEMORY)
    with pytest.raises(vpm.Unproven):
        regions.proven_state(pool.path, 'pvm')
    pools.fixate(pool, region.id)
    state = regions.proven_state(pool.path, 'pvm')
    assert state == pool.verify_state(region.id)
    assert state.meta == pools.META


def test_state_that_the_nvdimms_lost(pool, monkeypatch):
    pools.fixate(pool, pool.alloc('pvm', MEMORY).id)
    monkeypatch.setattr(nvdimm_notes, 'losses_since',
                        lambda *args: ['nmem0: lost'])
    with pytest.raises(vpm.Unproven, match='nmem0: lost'):
        regions.proven_state(pool.path, 'pvm')


def test_notes_go_with_the_region(pool, tmp_path):
    region = pool.alloc('pvm', MEMORY)
    nvdimm_notes.take(pool.path, region, 1, [nvdimms.Nvdimm('nmem0', 'a')])
    run_dir = str(tmp_path / 'run')
    notes.set_pending(run_dir, 'pvm', 'no volume')
    regions.free(pool.path, run_dir, 'pvm')
    assert notes.pending(run_dir) == {}
    assert not os.path.exists(paths.nvdimms_note(pool.path, 'pvm'))


def test_predict(pool, tmp_path):
    run_dir = str(tmp_path / 'run')
    pool.alloc('pvm', MEMORY)
    notes.write_priority(run_dir, 'pvm', 90)
    known, prediction = regions.predict(pool.path, run_dir, 'pvm', 50, {})
    assert known
    assert prediction == budget.predict({'pvm': 90}, budget.Drilled(), 1)
    known, prediction = regions.predict(
        pool.path, run_dir, 'other', 50, {'coming': 60, 'pvm': 10})
    assert not known
    assert prediction == budget.predict({'pvm': 90, 'other': 50,
                                         'coming': 60},
                                        budget.Drilled(), 1)


def test_memory_in_use_is_never_freed(pool, tmp_path):
    """A QEMU that libvirt does not know of may have it."""
    run_dir = str(tmp_path / 'run')
    region = pool.alloc('pvm', MEMORY)
    with open(region.ram_path, 'r+b') as memory:
        memory.write(b'in use')
        memory.flush()
        for free in regions.free, regions.reclaim:
            with pytest.raises(lease.RegionInUse):
                free(pool.path, run_dir, 'pvm')
        memory.seek(0)
        assert memory.read(6) == b'in use'
    assert pool.lookup('pvm') == region
    regions.free(pool.path, run_dir, 'pvm')
    with pytest.raises(vpm.NotFound):
        pool.lookup('pvm')
    # An earlier attempt got that far.
    regions.free(pool.path, run_dir, 'pvm')
    with pytest.raises(vpm.NotFound):
        regions.reclaim(pool.path, run_dir, 'pvm')
