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


import pytest

from nova_temporality.host import nvdimms
from tests.framework import sysfs as framework_sysfs


@pytest.fixture
def sysfs(tmp_path):
    return framework_sysfs.Sysfs(tmp_path, tmp_path)


@pytest.fixture
def below(sysfs, tmp_path):
    return lambda: nvdimms.below(str(tmp_path), str(sysfs.path))


def test_all_of_the_region(sysfs, below):
    sysfs.nvdimm('nmem1', id='8089-a2-1837-1', flags='', dirty_shutdown=7)
    sysfs.nvdimm('nmem0', id='8089-a2-1837-0', flags='', dirty_shutdown=0)
    assert below() == [
        nvdimms.Nvdimm('nmem0', '8089-a2-1837-0', dirty_shutdowns=0),
        nvdimms.Nvdimm('nmem1', '8089-a2-1837-1', dirty_shutdowns=7)]


def test_not_of_another_region(sysfs, below):
    other = sysfs.path / 'devices/ndbus0/nmem9/nfit'
    other.mkdir(parents=True)
    (other / 'flags').write_text('not_armed\n')
    assert below() == []


@pytest.mark.parametrize('family', ['nfit', 'papr'])
def test_not_armed(sysfs, below, family):
    sysfs.nvdimm('nmem0', family, flags='flush_fail not_armed ')
    found, = below()
    assert not found.is_armed
    assert len(found.losses) == 1
    assert nvdimms.lost([found]) == ['nmem0: ' + found.losses[0]]


@pytest.mark.parametrize('flag', ['save_fail', 'flush_fail', 'restore_fail'])
def test_losses(sysfs, below, flag):
    sysfs.nvdimm('nmem0', flags=flag + ' smart_notify ')
    found, = below()
    assert (len(found.losses), found.is_armed, found.events) == (1, True, ())


@pytest.mark.parametrize('family, flags, events', [
    ('nfit', 'smart_event map_fail', ('smart_event', 'map_fail')),
    # There it only says that events would be told.
    ('nfit', 'smart_notify', ()),
    ('papr', 'smart_notify', ('smart_notify',))])
def test_events(sysfs, below, family, flags, events):
    sysfs.nvdimm('nmem0', family, flags=flags)
    assert below()[0].events == events


def test_cxl(sysfs, below):
    """It has a counter, if the device counts, and no flags."""
    sysfs.nvdimm('nmem0', 'cxl', id=4711, provider='pmem0')
    sysfs.nvdimm('nmem1', 'cxl', id=4712, provider='pmem1', dirty_shutdown=3)
    assert below() == [nvdimms.Nvdimm('nmem0', '4711'),
                       nvdimms.Nvdimm('nmem1', '4712', dirty_shutdowns=3)]


def test_one_that_says_nothing(sysfs, below):
    sysfs.nvdimm('nmem0', 'of_pmem')
    assert below() == [nvdimms.Nvdimm('nmem0', 'nmem0')]


def test_counter_that_is_none(sysfs, below):
    sysfs.nvdimm('nmem0', dirty_shutdown='-1')
    assert below()[0].dirty_shutdowns is None


def test_emulation_has_none(tmp_path):
    assert nvdimms.below(str(tmp_path), str(tmp_path)) == []
