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

"""Pools with a vault, and "temporality vault restore"."""

import base64
import json
import os
import shutil

import pytest

from nova_temporality.cmd import admin
from nova_temporality.host import paths
from nova_temporality.host import vault_bandwidth
from nova_temporality.notifier import power
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage
from nova_temporality.vault import manifests
from nova_temporality.vault import measuring
from nova_temporality.vault import place
from nova_temporality.vault import writing
from nova_temporality import vpm
from tests.framework import pools
from tests.framework import vaults


@pytest.fixture
def directories():
    with vaults.directories() as made:
        yield made


@pytest.fixture
def pool_path(directories):
    return os.path.join(directories[0], 'pool')


@pytest.fixture
def vault(directories):
    return os.path.join(directories[1], 'vault')


@pytest.fixture
def config(tmp_path, pool_path, vault):
    path = tmp_path / 'temporality.conf'
    path.write_text('[temporality]\npool_path = %s\nvault_path = %s\n'
                    % (pool_path, vault))
    return str(path)


@pytest.fixture
def create(run, vault):
    def create(*args, directory=vault):
        return run('pool', 'create', '--size', '4M', '--state-size', '64K',
                   '--descriptors', '3', '--uid-base', '0', '--vault',
                   directory, *args)
    return create


def test_create(create, run_json, vault, capsys):
    assert create() == 0
    error = capsys.readouterr().err
    assert 'survive that, but no power cut' in error
    assert 'vault_path' not in error
    shown = run_json('pool', 'show')
    assert (shown['medium'], shown['made_on'], shown['vault']) == (
        'vaulted', 'tmpfs', vault)


def test_vault_that_is_not_configured(create, directories, capsys):
    assert create(directory=os.path.join(directories[1], 'other')) == 0
    assert 'set it to' in capsys.readouterr().err


@pytest.mark.parametrize('args, directory, words', [
    ((), '/a,/b', 'several directories'),
    (('--medium', 'dax'), '/a', 'needs no --vault'),
    ((), 'relative', 'is not absolute')])
def test_refused(create, capsys, pool_path, args, directory, words):
    assert create(*args, directory=directory) == 1
    assert words in capsys.readouterr().err
    assert not os.path.exists(pool_path)


def test_pool_without_one(run, run_json, pool_path):
    assert run('pool', 'create', '--size', '4M', '--uid-base', '0') == 0
    shown = run_json('pool', 'show')
    assert (shown['medium'], shown['vault']) == ('tmpfs', None)


@pytest.fixture
def written(create, pool_path):
    """The region of a server that was written to the vault."""
    create()
    with vpm.Pool(pool_path) as pool:
        region = pool.alloc('pvm', 4096)
        pool.begin_epoch(region.id)
        pools.fixate(pool, region.id)
        assert writing.write(pool) == {}
    shutil.rmtree(pool_path)
    return region


def test_restore(run, run_json, written, pool_path, capsys):
    assert run_json('vault', 'restore') == [
        {'Server': 'pvm', 'Result': 'restored', 'Bytes': 64 << 10,
         'Reason': ''}]
    with vpm.Pool(pool_path) as pool:
        pool.verify_state(written.id)
    capsys.readouterr()
    assert run('vault', 'restore') == 0
    assert 'nothing is restored' in capsys.readouterr().err


EVENT = power.PowerEvent('test', 10**18, 1, ('signal',))


@pytest.fixture
def told(written, vault, pool_path):
    """The report of the outage, as the vault has it."""
    reports = archive.Archive(paths.outages(pool_path))

    def tell(report):
        os.makedirs(pool_path)
        reports.store(report)
        known = manifests.read_pool(vault, place.parameters(vault).uuid)
        with open(os.path.join(paths.outages(pool_path), report['id'] +
                               '.json'), 'rb') as stream:
            known.notes['outages/%s.json' % report['id']] = base64.b64encode(
                stream.read()).decode()
        manifests.write_pool(vault, place.parameters(vault).uuid, known)
        shutil.rmtree(pool_path)
        return report['id']

    return reports, tell


def test_report_tells_what_was_restored(run, told):
    reports, tell = told
    report = outage.vault_began(outage.report(EVENT, [], 2), EVENT.wall_ns)
    outage_id = tell(report)
    assert run('vault', 'restore') == 0
    restored = reports.load(outage_id)['vault']['restored']
    assert (restored['servers'], restored['bytes']) == (1, 64 << 10)


def test_report_of_an_outage_without_a_vault_stays(run, told):
    reports, tell = told
    report = outage.report(EVENT, [], 2)
    outage_id = tell(report)
    assert run('vault', 'restore') == 0
    assert reports.load(outage_id) == report


def test_restore_of_what_is_torn(run, written, vault, capsys):
    with open('%s/servers/%016x.data' % (vault, written.id), 'r+b') as data:
        data.seek(4096)
        data.write(b'X')
    capsys.readouterr()
    assert run('vault', 'restore', '-f', 'json') == 1
    row, = json.loads(capsys.readouterr().out)
    assert (row['Server'], row['Result']) == ('pvm', 'unproven')
    assert 'torn' in row['Reason']
    assert run('vault', 'restore') == 0


def test_restore_without_a_vault(config, capsys, pool_path):
    with open(config, 'w') as file:
        file.write('[temporality]\npool_path = %s\n' % pool_path)
    assert admin.AdminApp().run(
        ['--config-file', config, 'vault', 'restore']) == 0
    assert not os.path.exists(pool_path)


def test_restore_from_what_is_no_vault(run, directories, capsys, pool_path):
    assert run('vault', 'restore', '--vault', directories[1]) == 1
    assert 'is no vault' in capsys.readouterr().err
    assert not os.path.exists(pool_path)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(measuring, '_MEMORY', 1 << 20)
    monkeypatch.setattr(measuring, '_MOST', 1)


def test_measure(quick, create, run_json, vault):
    create()
    shown = run_json('vault', 'measure')
    assert shown['path'] == vault
    assert shown['mib_per_s'] == vault_bandwidth.read(vault).mib_per_s


def test_measure_what_is_no_vault(run, directories, capsys):
    assert run('vault', 'measure', '--vault', directories[1]) == 1
    assert 'is no vault' in capsys.readouterr().err


def test_measure_nothing(config, capsys):
    with open(config, 'w') as file:
        file.write('[temporality]\n')
    assert admin.AdminApp().run(
        ['--config-file', config, 'vault', 'measure']) == 1
    assert 'names no vault' in capsys.readouterr().err
