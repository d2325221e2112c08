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

"""temporality pool, on real pools."""

import argparse
import dataclasses
import json
import os

import pytest

from nova_temporality.host import large_pages
from nova_temporality import vpm
from tests.framework import pools


def test_create(run, tmp_path, capsys, medium):
    assert run('pool', 'create', '--size', '3M', '--state-size', '128K',
               '--page-size', '64K', '--descriptors', '5', '--uid-base',
               '2000000', '--medium', medium, '-f', 'json') == 0
    output = capsys.readouterr()
    shown = json.loads(output.out)
    assert shown['path'] == str(tmp_path / 'pool')
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        info = pool.info()
    assert (info.total_size, info.state_size, info.page_size,
            info.descriptors, info.uid_base) == (
        3 << 20, 128 << 10, 64 << 10, 5, 2000000)
    assert shown['uuid'] == str(info.uuid)
    assert shown['total_size'] == 3 << 20
    assert (shown['medium'], shown['made_on']) == (medium, medium)


def test_create_elsewhere(run, tmp_path, medium):
    path = str(tmp_path / 'other')
    assert run('pool', 'create', path, '--size', '1M', '--medium',
               medium) == 0
    assert run('pool', 'show', path) == 0
    assert run('pool', 'show') == 1


@pytest.mark.parametrize('told, words', [
    ('tmpfs', 'do not survive a real power cut'),
    ('file', 'far longer than power lasts'), ('dax', None)])
def test_emulation_is_called_that(run, created, capsys, monkeypatch, told,
                                  words):
    info = vpm.Pool.info
    monkeypatch.setattr(vpm.Pool, 'info', lambda self: dataclasses.replace(
        info(self), medium=told))
    assert run('pool', 'show') == 0
    error = capsys.readouterr().err
    assert words in error if words else not error


@pytest.mark.parametrize('problem, shown', [
    ('none here', '4 KiB'), (None, '4 KiB, 2 MiB')])
def test_pages_that_servers_can_have(run, created, capsys, monkeypatch,
                                     problem, shown):
    monkeypatch.setattr(large_pages, 'problem', lambda *args: problem)
    assert run('pool', 'show', '-f', 'json') == 0
    assert json.loads(capsys.readouterr().out)['guest_page_sizes'] == shown


def test_nothing_is_formatted_where_the_nvram_is_not_mounted(
        run, tmp_path, capsys, medium):
    """An ordinary file system has to be asked for."""
    if medium != 'file':
        pytest.skip('temporary files are on ' + medium)
    assert run('pool', 'create', '--size', '1M') == 1
    error = capsys.readouterr().err
    assert 'is the NVRAM mounted' in error
    assert '--medium' in error
    assert not os.path.exists(tmp_path / 'pool' / 'pool')
    assert run('pool', 'create', '--size', '1M', '--medium', 'dax') == 1
    assert run('pool', 'create', '--size', '1M', '--medium', 'file') == 0


def test_medium_that_it_was_not_made_on(run, created, tmp_path, capsys,
                                        medium):
    other = 'dax' if medium != 'dax' else 'tmpfs'
    pools.make_on(tmp_path / 'pool', other)
    assert run('pool', 'show') == 1
    output = capsys.readouterr()
    assert 'was made on' in output.err
    assert other in output.out
    assert run('pool', 'record', '--medium', other) == 1
    assert run('pool', 'record', '--medium', medium) == 0
    assert run('pool', 'show') == 0


def test_default_size(run, tmp_path, capsys, monkeypatch, medium):
    monkeypatch.setattr(os, 'statvfs', lambda path: argparse.Namespace(
        f_bavail=1025, f_frsize=4096))
    assert run('pool', 'create', '--state-size', '1M', '--descriptors', '3',
               '--page-size', '64K', '--medium', medium) == 0
    assert 'Taking 1 MiB' in capsys.readouterr().err
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        assert pool.info().total_size == 1 << 20


def test_no_room_for_default_size(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, 'statvfs', lambda path: argparse.Namespace(
        f_bavail=256, f_frsize=4096))
    assert run('pool', 'create', '--state-size', '1M', '--descriptors',
               '2') == 1
    error = capsys.readouterr().err
    assert '1 MiB are free' in error
    assert '--size' in error
    assert not os.path.exists(tmp_path / 'pool')


@pytest.mark.parametrize('arg', [
    '--size=much', '--size=-1M', '--state-size=1X'])
def test_not_a_size(run, capsys, arg):
    with pytest.raises(SystemExit):
        run('pool', 'create', arg)
    assert arg.split('=')[1] in capsys.readouterr().err


def test_create_twice(run, created, capsys):
    assert run('pool', 'create', '--size', '1M') == 1
    error = capsys.readouterr().err
    assert error.strip()
    assert 'Traceback' not in error


def test_show_for_people(run, created, capsys):
    assert run('pool', 'show') == 0
    assert '4 MiB' in capsys.readouterr().out


def test_check(run, run_json, created, tmp_path):
    assert run('pool', 'check') == 0
    path = str(tmp_path / 'pool' / 'pool')
    with open(path, 'r+b') as pool:
        pool.write(b'\xff')
    assert run('pool', 'check') == 1
    findings = run_json('pool', 'check')
    assert findings[0]['Finding']


def test_check_without_pool(run, capsys):
    assert run('pool', 'check') == 1
    assert capsys.readouterr().err.strip()
