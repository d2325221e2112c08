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

"""A copy of a vault that is put back never runs."""

import os
import shutil

import pytest

from nova_temporality import vpm


@pytest.fixture
def region(host):
    made = host.server()
    host.write()
    return made


def copy_of(host):
    path = host.vault + '.copy'
    shutil.copytree(host.vault, path)
    return path


def run_on(host, region):
    host.lose_dram()
    assert host.restore()['pvm'].result == 'restored'
    host.pool.begin_epoch(region.id)


def refused(host):
    host.lose_dram()
    outcome = host.restore()['pvm']
    assert outcome.result == 'unproven'
    return outcome.reason


def test_copy_of_the_directory(host, region):
    copy = copy_of(host)
    run_on(host, region)
    shutil.rmtree(host.vault)
    os.rename(copy, host.vault)
    assert 'is a copy' in refused(host)


def test_copy_over_the_directory(host, region):
    copy = copy_of(host)
    run_on(host, region)
    for kind in ('record', 'manifest', 'data'):
        shutil.copyfile(host.file(kind, region).replace(host.vault, copy),
                        host.file(kind, region))
    assert 'is a copy' in refused(host)


def test_links_to_what_was_there(host, region):
    kept = {}
    for kind in ('record', 'manifest', 'data'):
        path = host.file(kind, region)
        kept[path] = os.path.join(host.disk, kind)
        os.link(path, kept[path])
    run_on(host, region)
    for path, link in kept.items():
        os.rename(link, path)
    assert 'is damaged' in refused(host)


def test_record_of_the_past_with_its_time_set(host, region):
    path = host.file('record', region)
    copy = path + '.copy'
    shutil.copy2(path, copy)
    os.rename(copy, path)
    assert 'is a copy' in refused(host)


def test_vault_that_became_a_copy_lets_nobody_run(host, region):
    copy = copy_of(host)
    shutil.rmtree(host.vault)
    os.rename(copy, host.vault)
    with pytest.raises(vpm.VaultUnavailable, match='is a copy'):
        host.pool.begin_epoch(region.id)
    assert host.is_proven()


def test_vault_of_another_pool_lets_nobody_run(host, region, directories):
    volatile, disk = directories
    os.rename(host.vault, host.vault + '.mine')
    os.rename(host.pool_path, host.pool_path + '.mine')
    os.rename(os.path.join(disk, 'swap'), os.path.join(disk, 'swap.mine'))
    type(host)(volatile, disk).server()
    with pytest.raises(vpm.VaultUnavailable, match='another pool'):
        host.pool.begin_epoch(region.id)
    assert 'is the vault of pool' in host.write()['pvm']


@pytest.mark.parametrize('missing', ['vault', 'record'])
def test_without_its_record_it_does_not_run(host, region, missing):
    path = host.vault if missing == 'vault' else host.file('record', region)
    os.rename(path, path + '.away')
    for give_up in (host.pool.begin_epoch, host.pool.scrub):
        with pytest.raises(vpm.VaultUnavailable, match='errno 2'):
            give_up(region.id)
    assert host.is_proven()
    os.rename(path + '.away', path)
    host.pool.begin_epoch(region.id)
    assert not host.is_proven()


def test_record_that_cannot_be_replaced(host, region):
    os.mkdir(host.file('record', region) + '.new')
    with pytest.raises(vpm.VaultUnavailable, match='advance the record'):
        host.pool.begin_epoch(region.id)
    assert host.is_proven()


def test_hard_reboot_gives_the_state_up(host, region):
    host.pool.scrub(region.id)
    assert 'stale' in refused(host)


def test_delete_gives_all_up(host, region):
    link = os.path.join(host.disk, 'link')
    os.link(host.file('data', region), link)
    host.pool.free('pvm')
    assert os.listdir(os.path.join(host.vault, 'servers')) == []
    assert os.listdir(os.path.join(host.vault, 'records')) == []
    assert os.path.getsize(link) == 0
    host.lose_dram()
    assert host.restore() == {}
    with pytest.raises(vpm.NotFound):
        host.pool.lookup('pvm')


def test_delete_without_the_vault_is_refused(host, region):
    os.rename(host.vault, host.vault + '.away')
    with pytest.raises(vpm.VaultUnavailable, match='give up'):
        host.pool.free('pvm')
    assert host.is_proven()


def test_server_that_is_made_again_under_its_name(host, region):
    copies = {kind: host.file(kind, region) + '.copy'
              for kind in ('manifest', 'data')}
    for kind, copy in copies.items():
        shutil.copy(host.file(kind, region), copy)
    host.pool.free('pvm')
    region = host.server(fixated=False)
    for kind, copy in copies.items():
        os.rename(copy, host.file(kind, region))
    assert 'another region' in refused(host)


def test_without_room_no_server_is_made(host):
    servers = os.path.join(host.vault, 'servers')
    os.rename(servers, servers + '.away')
    with pytest.raises(vpm.VaultUnavailable, match='reserve room'):
        host.pool.alloc('new', 4096)
    os.rename(servers + '.away', servers)
    with vpm.Pool(host.pool_path) as pool:
        assert pool.info().used_size == 0
        pool.alloc('new', 4096)


def test_record_was_advanced_and_the_epoch_was_not(host, region):
    """Who let it run was killed between the two: nobody has run."""
    files = {}
    for path in (os.path.join(host.pool_path, 'pool'),
                 os.path.join(region.directory, 'state')):
        with open(path, 'rb') as file:
            files[path] = file.read()
    host.pool.begin_epoch(region.id)
    for path, content in files.items():
        with open(path, 'r+b') as file:
            file.write(content)
    assert host.is_proven()
    assert host.reboot()['pvm'].result == 'restored'


def test_pool_that_is_restored_twice(host, region):
    """It is in two places, and runs in the latter one only."""
    with vpm.Pool(host.pool_path) as former:
        os.rename(host.pool_path, host.pool_path + '.former')
        assert host.restore()['pvm'].result == 'restored'
        with pytest.raises(vpm.VaultUnavailable, match='another pool since'):
            former.begin_epoch(region.id)
        host.pool.begin_epoch(region.id)


def test_pool_that_ran_is_not_restored_again(host, region):
    with vpm.Pool(host.pool_path) as former:
        former.begin_epoch(region.id)
        os.rename(host.pool_path, host.pool_path + '.former')
        assert 'stale' in host.restore()['pvm'].reason
