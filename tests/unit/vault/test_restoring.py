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

"""A planned reboot that empties the DRAM."""

import os
import shutil

import pytest

from nova_temporality.host import nvdimm_notes
from nova_temporality.vault import place
from nova_temporality.vault import restoring
from nova_temporality import vpm
from tests.framework import pools


@pytest.mark.parametrize('is_paged', [False, True])
def test_server_comes_back(host, is_paged):
    before = host.server(is_paged=is_paged)
    memory = host.memory(before)
    assert host.reboot()['pvm'].result == restoring.RESTORED
    region = host.pool.lookup('pvm')
    assert (region.id, region.epoch, region.created_ns, region.descriptor,
            region.swap_path) == (before.id, 1, before.created_ns,
                                  before.descriptor, before.swap_path)
    assert host.memory(region) == memory
    state = nvdimm_notes.proven_state(host.pool, region)
    assert (state.length, state.meta) == (len('pvm'), pools.META)
    assert vpm.check(host.pool_path) == []


def test_pool_is_the_same_one(host):
    before = host.pool.info()
    host.server()
    host.reboot()
    after = host.pool.info()
    assert (after.uuid, after.vault, after.total_size, after.uid_base) == (
        before.uuid, host.vault, before.total_size, before.uid_base)
    assert after.used_size == 1 << 20
    assert after.medium_shown == 'vaulted'


def test_page_table_comes_back(host):
    region = host.server(is_paged=True)
    path = os.path.join(region.directory, 'ppt')
    with open(path, 'rb') as table:
        before = table.read()
    with open(path, 'r+b') as table:
        table.seek(4096 + 100)
        table.write(b'counter')
    host.reboot()
    with open(path, 'rb') as table:
        after = table.read()
    assert after[4096 + 100:][:7] == b'counter'
    assert after[4096 + 107:] == before[4096 + 107:]


def test_swap_file_that_is_another_one(host):
    region = host.server(is_paged=True)
    host.write()
    host.lose_dram()
    shutil.copy(region.swap_path, region.swap_path + '.copy')
    os.rename(region.swap_path + '.copy', region.swap_path)
    assert 'swap file' in host.restore()['pvm'].reason
    assert not host.is_proven()


def test_notes_come_back(host):
    host.server()
    os.makedirs(os.path.join(host.pool_path, 'cpus'))
    for name in ('drills', 'cpus/pvm'):
        with open(os.path.join(host.pool_path, name), 'w') as note:
            note.write(name)
    host.reboot()
    for name in ('drills', 'cpus/pvm'):
        with open(os.path.join(host.pool_path, name)) as note:
            assert note.read() == name


def test_server_that_is_off_has_its_region_again(host):
    region = host.server('off', fixated=False)
    host.pool.scrub(region.id)
    host.server()
    outcomes = host.reboot()
    assert outcomes['off'].result == restoring.EMPTY
    assert host.memory(host.pool.lookup('off')) == bytes(1 << 20)
    assert not host.is_proven('off')


def test_nothing_was_written(host):
    uuid = host.pool.info().uuid
    host.lose_dram()
    assert host.restore() == {}
    assert host.pool.info().uuid == uuid
    host.server()
    assert host.reboot()['pvm'].result == restoring.RESTORED


def test_over_several_reboots(host):
    host.server('suspended')
    host.server('runs')
    for number in range(3):
        assert {one.result for one in host.reboot().values()} == {
            restoring.RESTORED}
        region = host.pool.lookup('runs')
        host.pool.begin_epoch(region.id)
        host.poke(region, b'%d' % number)
        pools.fixate(host.pool, region.id)
    assert host.memory(region)[100000:100001] == b'2'


def test_pool_that_is_there_is_left_alone(host):
    region = host.server()
    host.reboot()
    host.pool.begin_epoch(region.id)
    host.poke(region, b'newer')
    assert host.restore() is None
    assert host.memory(region)[100000:100005] == b'newer'


def test_power_fails_before_it_runs(host):
    host.server()
    host.reboot()
    host.lose_dram()
    assert host.restore()['pvm'].result == restoring.RESTORED
    assert host.is_proven()


def test_server_that_has_run_since_is_stale(host):
    region = host.server()
    host.server('other')
    host.reboot()
    host.pool.begin_epoch(region.id)
    host.lose_dram()
    outcomes = host.restore()
    assert outcomes['other'].result == restoring.RESTORED
    assert outcomes['pvm'].result == restoring.UNPROVEN
    assert 'stale' in outcomes['pvm'].reason
    assert host.memory(host.pool.lookup('pvm')) == bytes(1 << 20)
    with pytest.raises(vpm.Unproven, match='from the vault: .*stale'):
        nvdimm_notes.proven_state(host.pool, host.pool.lookup('pvm'))
    # It is booted, and is like any other server.
    host.pool.scrub(region.id)
    pools.fixate(host.pool, region.id)
    assert host.reboot()['pvm'].result == restoring.RESTORED


@pytest.mark.parametrize('is_paged', [False, True])
def test_torn_chunk(host, is_paged):
    region = host.server(is_paged=is_paged)
    host.server('other')
    host.write()
    host.lose_dram()
    with open(host.file('data', region), 'r+b') as data:
        data.seek(100000)
        data.write(b'X')
    outcomes = host.restore()
    assert outcomes['other'].result == restoring.RESTORED
    assert 'torn or foreign' in outcomes['pvm'].reason
    with pytest.raises(vpm.Unproven, match='torn or foreign'):
        nvdimm_notes.proven_state(host.pool, host.pool.lookup('pvm'))
    host.pool.scrub(region.id)
    host.pool.free('pvm')
    assert vpm.check(host.pool_path) == []


def test_data_of_an_earlier_reboot_is_foreign(host):
    """A disk that forgot what was written has the former one there."""
    region = host.server()
    host.reboot()
    with open(host.file('data', region), 'rb') as data:
        former = data.read()
    host.pool.begin_epoch(region.id)
    pools.fixate(host.pool, region.id, b'pvm')
    host.write()
    host.lose_dram()
    with open(host.file('data', region), 'r+b') as data:
        data.write(former)
    assert 'torn or foreign' in host.restore()['pvm'].reason


def test_data_that_was_cut_off(host):
    region = host.server()
    host.write()
    host.lose_dram()
    os.truncate(host.file('data', region), 4096)
    assert 'data file ends' in host.restore()['pvm'].reason


def test_manifest_of_a_former_region(host):
    """It was left behind when the vault was refused as a copy."""
    region = host.server()
    host.write()
    host.lose_dram()
    record = host.file('record', region)
    shutil.copyfile(record, record + '.copy')
    os.rename(record + '.copy', record)
    assert 'is a copy' in host.restore()['pvm'].reason
    # It is booted, and the DRAM is lost while it runs.
    created_ns = host.server(fixated=False).created_ns
    host.write()
    host.lose_dram()
    assert host.restore()['pvm'].result == restoring.EMPTY
    assert host.pool.lookup('pvm').created_ns == created_ns


def test_damaged_manifest(host):
    region = host.server()
    host.write()
    host.lose_dram()
    with open(host.file('manifest', region), 'ab') as manifest:
        manifest.write(b'X')
    assert 'is damaged' in host.restore()['pvm'].reason
    assert not host.is_proven()


def test_damaged_manifest_of_the_pool(host):
    host.server()
    host.write()
    host.lose_dram()
    with open(os.path.join(host.vault, 'manifest'), 'ab') as manifest:
        manifest.write(b'X')
    assert host.restore()['pvm'].result == restoring.RESTORED


def test_manifest_of_another_pool(host, directories):
    region = host.server()
    host.write()
    with open(host.file('manifest', region), 'rb') as manifest:
        foreign = manifest.read()
    host.lose_dram()
    shutil.rmtree(host.vault)
    shutil.rmtree(os.path.join(host.disk, 'swap'))
    other = type(host)(*directories)
    other.server()
    other.write()
    other.lose_dram()
    with open(other.file('manifest', region), 'wb') as manifest:
        manifest.write(foreign)
    assert 'belongs to pool' in other.restore()['pvm'].reason
    other.pool.close()


def test_pool_of_another_vault_is_there(host):
    host.lose_dram()
    pools.create(host.pool_path).close()
    with pytest.raises(place.VaultError, match='not of'):
        host.restore()


def test_what_lies_in_the_place_of_the_pool_is_kept(host):
    host.lose_dram()
    os.mkdir(host.pool_path)
    with open(os.path.join(host.pool_path, 'file'), 'w'):
        pass
    with pytest.raises(place.VaultError, match='is not empty'):
        host.restore()


def test_mount_point_is_refused(host, monkeypatch):
    host.lose_dram()
    monkeypatch.setattr(os.path, 'ismount', lambda path: True)
    with pytest.raises(place.VaultError, match='is a mount point'):
        host.restore()


def test_pool_does_not_fit_any_more(host, monkeypatch):
    """Nobody finds a pool without the servers that are in the vault."""
    host.server()
    host.write()
    host.lose_dram()

    def fail(self, *args):
        raise vpm.PoolFull('tmpfs is full')

    with monkeypatch.context() as patched:
        patched.setattr(vpm.Pool, 'import_region', fail)
        with pytest.raises(vpm.PoolFull):
            host.restore()
    assert not os.path.exists(host.pool_path)
    assert host.restore()['pvm'].result == restoring.RESTORED


def test_tmpfs_is_not_mounted(host):
    host.lose_dram()
    elsewhere = os.path.join(host.disk, 'pool')
    with pytest.raises(vpm.WrongMedium):
        restoring.restore(host.vault, elsewhere)
    assert not os.path.exists(elsewhere)
