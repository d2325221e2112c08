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

"""Which NVRAM the pocket cloud and its demonstration have."""

import pathlib
import types

import pytest

# "make install" installs them.
vaulting = pytest.importorskip('demo.vaulting')
cli = pytest.importorskip('pocketcloud.cli')
config = pytest.importorskip('pocketcloud.config')
layout = pytest.importorskip('pocketcloud.layout')
nvram = pytest.importorskip('pocketcloud.nvram')


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    """Its files, but no cloud; what is done to it is noted."""
    done = []
    monkeypatch.setattr(layout, 'VAULTED', tmp_path / 'vaulted')
    monkeypatch.setattr(cli.client, 'temporality', lambda *args: done.regions)
    monkeypatch.setattr(cli.host, 'shut_down',
                        lambda: done.append('down') or [])
    monkeypatch.setattr(cli.disk, 'is_mounted', lambda path: True)
    monkeypatch.setattr(cli.disk, 'unmount',
                        lambda path: done.append(pathlib.Path(path).name))
    monkeypatch.setattr(cli.disk, 'mount_host_disk', lambda: None)
    monkeypatch.setattr(cli.shutil, 'rmtree', lambda path, **_: None)
    monkeypatch.setattr(cli, 'up', lambda: done.append('up'))
    done = types.SimpleNamespace(append=done.append, all=done, regions=[])
    return done


def test_emulated_unless_told(cloud):
    assert nvram.kind() == nvram.EMULATED
    assert config._vault(layout.FIRST) == ''
    cli.have_nvram(nvram.EMULATED)
    assert cloud.all == []


def test_vaulted(cloud):
    cli.have_nvram(nvram.VAULTED)
    assert cloud.all == ['down', 'nvram', 'up']
    assert nvram.kind() == nvram.VAULTED
    assert 'vault_path = %s' % layout.FIRST.vault in config._vault(
        layout.FIRST)
    # The second host's pool has none.
    assert nvram.kind(layout.SECOND) == nvram.EMULATED
    assert config._vault(layout.SECOND) == ''
    cli.have_nvram(nvram.EMULATED)
    assert nvram.kind() == nvram.EMULATED


def test_memory_of_servers_is_not_lost(cloud):
    cloud.regions = [{'Server': 'some-uuid'}]
    with pytest.raises(RuntimeError, match='some-uuid.*openstack server del'):
        cli.have_nvram(nvram.VAULTED)
    assert cloud.all == []
    assert nvram.kind() == nvram.EMULATED


def test_unknown(cloud):
    with pytest.raises(ValueError, match='"dimm"; it can be: emulated, vau'):
        cli.have_nvram('dimm')
    assert cloud.all == []


@pytest.mark.parametrize('kind,unmounted,words', [
    ('emulated', [], 'NVRAM kept'), ('vaulted', ['nvram'], 'DRAM gone')])
def test_power_cut_empties_dram(cloud, kind, unmounted, words):
    nvram.choose(kind)
    assert nvram.cut() == words
    assert cloud.all == unmounted


OUTAGE = {
    'event': {'time': '2026-01-31T22:59:59.000+00:00'},
    'vault': {'bytes': 3 << 20, 'seconds': 1.5, 'servers': [
        {'name': 'a', 'bytes': 3 << 20, 'reason': None,
         'durable': '2026-01-31T23:00:01.000+00:00'},
        {'name': 'b', 'bytes': 0, 'reason': 'no room', 'durable': None}]}}


def test_budget_of_the_demonstration():
    assert list(vaulting.servers(OUTAGE)) == [
        ('a', 3 << 20, 1769900401.0), ('b', 0, None)]
    assert vaulting.budget(OUTAGE) == (
        'budget: power was needed for 2.00 s, 1.50 s of them to write 3.0 MiB '
        'to the vault')


def report(running_s):
    return {'vault': {'restore_began_s': 10.0, 'restored_s': 10.5,
                      'read_bytes': 1 << 20},
            'servers': [{'name': 'a', 'fixation': {'vaulted_ms': 2000.0},
                         'recovery': {'running_s': running_s}},
                        {'name': 'off', 'fixation': {'vaulted_ms': None},
                         'recovery': None}]}


def test_restore_of_the_demonstration():
    assert vaulting.back_s(report(None), 'a') is None
    assert vaulting.back_s(report(None), 'off') is None
    assert vaulting.restore(report(15.0), ['a']).startswith(
        'restore: 1.0 MiB read from the vault in 0.50 s; from its beginning '
        'until servers ran: 5.0 s')
    assert vaulting.durable_s(report(15.0), 'a') == 2.0
    assert vaulting.back_s(report(15.0), 'a') == 5.0
