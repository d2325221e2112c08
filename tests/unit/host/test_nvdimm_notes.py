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


import os

import pytest

from nova_temporality.host import nvdimm_notes
from nova_temporality.host import nvdimms
from nova_temporality.host import paths
from nova_temporality import vpm
from tests.framework import pools
from tests.framework import sysfs as framework_sysfs


@pytest.fixture
def pool(tmp_path):
    with vpm.Pool.create(str(tmp_path / 'pool'), total_size=1 << 20,
                         state_size=64 << 10, uid_base=0) as made:
        yield made


@pytest.fixture
def region(pool):
    return pool.alloc('pvm', 4096)


@pytest.fixture
def sysfs(tmp_path):
    made = framework_sysfs.Sysfs(tmp_path, tmp_path)
    made.nvdimm('nmem0', id='a', flags='', dirty_shutdown=4)
    made.nvdimm('nmem1', id='b', flags='', dirty_shutdown=0)
    return made


@pytest.fixture
def boot(monkeypatch):
    """Boot the host."""
    boots = ['first']
    monkeypatch.setattr(nvdimm_notes, 'boot_id', lambda: str(boots))
    return lambda: boots.append('another')


@pytest.fixture
def fixated(pool, region, sysfs, boot):
    """A proven state; the counters were noted when the pVM was armed."""
    take(pool, region, sysfs)
    pools.fixate(pool, region.id)


def take(pool, region, sysfs):
    nvdimm_notes.take(pool.path, region, pool.lookup(region.name).epoch,
                      nvdimms.below(pool.path, sysfs.path))


def why_unproven(pool, region, sysfs):
    """Why the state is unproven; None if it is proven."""
    try:
        nvdimm_notes.proven_state(pool, region, sysfs.path)
    except vpm.Unproven as exc:
        return str(exc)
    return None


pytestmark = pytest.mark.usefixtures('fixated')


def test_kept(pool, region, sysfs, boot):
    assert why_unproven(pool, region, sysfs) is None
    boot()
    assert why_unproven(pool, region, sysfs) is None


def test_counter_that_grew(pool, region, sysfs, boot):
    boot()
    sysfs.nvdimm('nmem0', dirty_shutdown=5)
    reason = why_unproven(pool, region, sysfs)
    assert 'nmem0' in reason and '5' in reason and '4' in reason
    assert 'nmem1' not in reason


def test_renamed_by_the_boot(pool, region, sysfs, boot):
    """The id counts: the kernel may number them in another order."""
    boot()
    sysfs.nvdimm('nmem0', id='b', dirty_shutdown=0)
    sysfs.nvdimm('nmem1', id='a', dirty_shutdown=4)
    assert why_unproven(pool, region, sysfs) is None


@pytest.mark.parametrize('flag', ['save_fail', 'flush_fail', 'restore_fail'])
def test_nvdimm_that_says_so(pool, region, sysfs, boot, flag):
    """Also without a counter."""
    boot()
    sysfs.nvdimm('nmem1', flags=flag)
    assert 'nmem1' in why_unproven(pool, region, sysfs)


def test_flags_of_an_earlier_loss(pool, region, sysfs, boot):
    """They stay until the next boot, and this state was made since."""
    sysfs.nvdimm('nmem1', flags='save_fail')
    assert why_unproven(pool, region, sysfs) is None


def test_note_of_another_epoch(pool, region, sysfs, boot):
    pool.begin_epoch(region.id)
    pools.fixate(pool, region.id)
    boot()
    sysfs.nvdimm('nmem0', dirty_shutdown=5)
    assert why_unproven(pool, region, sysfs) is None


def test_note_of_another_region(pool, region, sysfs, boot):
    pool.free(region.name)
    pool.alloc('other', 4096)
    region = pool.alloc(region.name, 4096)
    pools.fixate(pool, region.id)
    boot()
    sysfs.nvdimm('nmem0', dirty_shutdown=5)
    assert why_unproven(pool, region, sysfs) is None


def test_counter_that_is_gone(pool, region, sysfs, boot):
    """Nobody can tell; the state is not given up for that."""
    boot()
    sysfs.nvdimm('nmem0', dirty_shutdown='-1')
    assert why_unproven(pool, region, sysfs) is None


@pytest.mark.parametrize('content', ['', '[]', '{"region": 1}', '\xff'])
def test_damaged_note(pool, region, sysfs, boot, content):
    with open(paths.nvdimms_note(pool.path, region.name), 'w',
              encoding='latin-1') as note:
        note.write(content)
    boot()
    sysfs.nvdimm('nmem0', dirty_shutdown=5)
    assert why_unproven(pool, region, sysfs) is None


def test_unproven_anyway(pool, region, sysfs):
    pool.begin_epoch(region.id)
    assert 'NVRAM' not in why_unproven(pool, region, sysfs)


def test_nothing_is_noted_of_emulated_nvram(pool, region):
    nvdimm_notes.take(pool.path, region, 1, [])
    assert os.listdir(os.path.dirname(
        paths.nvdimms_note(pool.path, region.name))) == []


def test_forget(pool, region):
    nvdimm_notes.forget(pool.path, region.name)
    nvdimm_notes.forget(pool.path, region.name)
    assert not os.path.exists(paths.nvdimms_note(pool.path, region.name))
