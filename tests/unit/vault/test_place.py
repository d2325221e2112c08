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

"""Which directory can be a vault."""

import os

import pytest

from nova_temporality.host import mounts
from nova_temporality.vault import creating
from nova_temporality.vault import place
from nova_temporality import vpm
from tests.framework import vaults


@pytest.fixture
def create(directories):
    volatile, _disk = directories

    def create(vault, pool=os.path.join(volatile, 'pool'), **params):
        return creating.create(pool, vault, **vaults.PARAMS | params)
    return create


@pytest.fixture
def vault(directories):
    return os.path.join(directories[1], 'vault')


def refused(create, words, *args, **params):
    with pytest.raises(place.VaultError, match=words):
        create(*args, **params)


def test_relative_path(create):
    refused(create, '"vault", is not absolute', 'vault')


def test_file_system_of_the_pool(create, directories):
    refused(create, 'same file system as the pool',
            os.path.join(directories[0], 'vault'))


def test_other_file_system_in_memory(create, vault, monkeypatch):
    monkeypatch.setattr(mounts, 'of_device',
                        lambda device: mounts.FileSystem('tmpfs', ()))
    refused(create, 'on tmpfs, which a reboot empties', vault)


def test_pool_that_does_not_fit(create, vault):
    refused(create, 'a full pool takes', vault, total_size=1 << 60)
    assert not os.path.exists(os.path.join(vault, 'vault'))


def test_states_have_to_fit_too(create, vault):
    refused(create, 'a full pool takes', vault, state_size=1 << 50)


def test_directory_that_others_can_enter(create, vault):
    os.mkdir(vault)
    os.chmod(vault, 0o755)
    refused(create, 'mode 0755 .*chmod 0700', vault)


def test_directory_that_holds_something(create, vault):
    os.makedirs(os.path.join(vault, 'photos'), 0o700)
    os.chmod(vault, 0o700)
    refused(create, 'holds "photos"', vault)


def test_vault_of_another_pool(create, vault, directories):
    create(vault).close()
    refused(create, 'vault of a pool already.*vault restore', vault,
            pool=os.path.join(directories[0], 'other'))


def test_pool_that_is_a_mount_point(create, vault):
    refused(create, 'is a mount point', vault, pool='/dev/shm')


def test_pool_that_cannot_be_made_leaves_no_vault(create, vault):
    with pytest.raises(vpm.InvalidArgument):
        create(vault, page_size=12345)
    create(vault).close()


def test_what_was_cut_off_can_be_made_again(create, vault):
    place.prepare(vault, '/dev/shm/x', 0)
    with create(vault) as pool:
        assert pool.info().vault == vault


def test_no_vault_is_there(vault):
    with pytest.raises(place.VaultError, match='is no vault'):
        place.parameters(vault)


def test_damaged_vault(create, vault):
    create(vault).close()
    with open(os.path.join(vault, 'vault'), 'ab') as file:
        file.write(b'X')
    with pytest.raises(place.VaultError, match='is damaged'):
        place.parameters(vault)
