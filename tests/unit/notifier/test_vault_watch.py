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

"""How the vault is, as the notifier says."""

import os
import threading

import pytest

from nova_temporality.host import vault_bandwidth
from nova_temporality.notifier import vault_watch
from nova_temporality.vault import forecast
from tests.framework import pools
from tests.framework import vaults

pytestmark = pytest.mark.native_threads


@pytest.fixture
def host():
    with vaults.directories() as directories:
        made = vaults.VaultedHost(*directories)
        yield made
        made.pool.close()


def test_forecast(host):
    host.server()
    vault_bandwidth.note(host.vault, 100.0)
    watch = vault_watch.VaultWatch(host.pool, 10)
    status = watch.status()
    assert (status['fits'], status['mib_per_s']) == (True, 100.0)
    assert status['disk_size'] > 0
    assert status['bytes'] == forecast.sizes(host.pool).to_write
    # Measured again, and lost.
    vault_bandwidth.note(host.vault, 0.001)
    assert watch.status()['fits'] is False
    os.rename(host.vault, host.vault + '.away')
    assert 'is no vault' in watch.status()['problem']


def test_disk_that_does_not_answer(host, monkeypatch):
    answers = threading.Event()
    look = forecast.look
    looks = []

    def hang(info):
        looks.append(1)
        answers.wait()
        return look(info)

    monkeypatch.setattr(forecast, 'look', hang)
    monkeypatch.setattr(vault_watch, '_PATIENCE', 0.01)
    watch = vault_watch.VaultWatch(host.pool, 10)
    for _ in range(3):
        status = watch.status()
        assert 'does not answer' in status['problem']
        assert status['fits'] is False
    assert len(looks) == 1
    answers.set()
    monkeypatch.setattr(vault_watch, '_PATIENCE', 60)
    assert 'vault measure' in watch.status()['problem']


def test_pool_without_one(tmp_path):
    with pools.create(tmp_path / 'pool') as pool:
        assert vault_watch.VaultWatch(pool, 10).status() is None


def test_pool_that_cannot_be_read(host, monkeypatch):
    watch = vault_watch.VaultWatch(host.pool, 10)

    def fail(_pool, _bounded):
        raise pools.vpm.VpmError('damaged')

    monkeypatch.setattr(forecast, 'sizes', fail)
    assert watch.status() is None


def test_what_is_bounded_counts_as_far_as_it_is_left(host):
    region = host.server()
    vault_bandwidth.note(host.vault, 100.0, 400.0)
    bounded = forecast.Bounded({'pvm': 65536}, {'other': 'for a reason'})
    whole = vault_watch.VaultWatch(host.pool, 10).status()
    status = vault_watch.VaultWatch(host.pool, 10, lambda: bounded).status()
    assert status['bytes'] == whole['bytes'] - region.size + 65536
    assert status['bounded'] == status['room'] == region.size
    assert status['counted'] == {'other': 'for a reason'}
