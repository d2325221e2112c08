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


"""temporality pool and region, on real pools."""

import argparse
import json
import logging
import os
import struct
import time

import pytest

from nova_temporality.cli import sizes
from nova_temporality.cmd import admin
from nova_temporality import vpm


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'temporality.conf'
    path.write_text('[temporality]\npool_path = %s\nrun_dir = %s\n'
                    % (tmp_path / 'pool', tmp_path / 'run'))
    return str(path)


@pytest.fixture
def run(config, monkeypatch):
    def run(*args):
        # Of an earlier run, with a standard error that is closed now.
        monkeypatch.setattr(logging.root, 'handlers', [])
        return admin.AdminApp().run(['--config-file', config] + list(args))
    return run


@pytest.fixture
def created(run, capsys):
    assert run('pool', 'create', '--size', '4M', '--state-size', '64K',
               '--descriptors', '3', '--uid-base', '0') == 0
    capsys.readouterr()


def test_create(run, tmp_path, capsys):
    assert run('pool', 'create', '--size', '3M', '--state-size', '128K',
               '--page-size', '64K', '--descriptors', '5', '--uid-base',
               '2000000', '-f', 'json') == 0
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


def test_create_elsewhere(run, tmp_path):
    path = str(tmp_path / 'other')
    assert run('pool', 'create', path, '--size', '1M') == 0
    assert run('pool', 'show', path) == 0
    assert run('pool', 'show') == 1


def test_emulation_is_called_that(run, tmp_path, capsys):
    assert run('pool', 'create', '--size', '1M') == 0
    assert 'do not survive a real power cut' in capsys.readouterr().err


def test_default_size(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, 'statvfs', lambda path: argparse.Namespace(
        f_bavail=1025, f_frsize=4096))
    assert run('pool', 'create', '--state-size', '1M', '--descriptors', '3',
               '--page-size', '64K') == 0
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


def test_debug_shows_traceback(run, capsys):
    assert run('--debug', 'pool', 'show') == 1
    assert 'Traceback' in capsys.readouterr().err


def test_show_for_people(run, created, capsys):
    assert run('pool', 'show') == 0
    assert '4 MiB' in capsys.readouterr().out


def test_check(run, created, tmp_path, capsys):
    assert run('pool', 'check') == 0
    path = str(tmp_path / 'pool' / 'pool')
    with open(path, 'r+b') as pool:
        pool.write(b'\xff')
    assert run('pool', 'check') == 1
    findings = json.loads(capture_json(run, capsys, 'pool', 'check'))
    assert findings[0]['Finding']


def test_check_without_pool(run, capsys):
    assert run('pool', 'check') == 1
    assert capsys.readouterr().err.strip()


def test_region_list(run, created, tmp_path, capsys):
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        region = pool.alloc('server', 1 << 20, sequence=2)
    row, = json.loads(capture_json(run, capsys, 'region', 'list'))
    assert row['Server'] == 'server'
    assert row['ID'] == '%016x' % region.id
    assert (row['Sequence'], row['Size'], row['Epoch']) == (
        2, 1 << 20, region.epoch)
    assert row['State'] == 'unproven'
    assert row['Reason']


def test_region_list_of_paged_regions(run, created, tmp_path, capsys,
                                      monkeypatch):
    swap = tmp_path / 'swap'
    swap.mkdir(mode=0o711)
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        pool.alloc('resident', 1 << 20)
        region, broken = (
            pool.alloc_vpm(name, 512 << 10, 256 << 10, str(swap),
                           page_size=4096, policy='fifo')
            for name in ('paged', 'broken'))

    def page(faults):
        # as the pager does: error, page, slot, and its counters
        with open(region.directory + '/ppt', 'r+b') as page_table:
            page_table.seek(4096)
            page_table.write(struct.pack(
                '<10Q', 2 << 32, 7, 9, 30, 10, faults, 0, 500, 400, 0))
    page(1000)
    with open(broken.directory + '/ppt', 'r+b') as page_table:
        page_table.write(b'no page table')
    monkeypatch.setattr(time, 'sleep', lambda seconds: page(1000 + 80))
    rows = {row['Server']: row for row in json.loads(
        capture_json(run, capsys, 'region', 'list'))}
    assert rows['resident']['MRR'] is None
    row = rows['paged']
    assert (row['Size'], row['NVRAM']) == (512 << 10, 256 << 10)
    assert (row['In Memory'], row['In Swap'], row['MRR']) == (
        30 * 4096, 10 * 4096, 75.0)
    assert row['Faults/s'] == 160  # 80 in half a second
    assert (row['Swap-ins'], row['Swap-outs']) == (500, 400)
    assert (row['Page Size'], row['Policy']) == (4096, 'fifo')
    assert 'torn or foreign: page 7, slot 9' in row['Error']
    # one that is damaged hides no other
    assert 'page table' in rows['broken']['Error']
    assert rows['broken']['MRR'] is None


def capture_json(run, capsys, *args):
    capsys.readouterr()
    run(*args, '-f', 'json')
    return capsys.readouterr().out


def test_bad_config_file(run, capsys):
    assert run('--config-file', '/nonexistent', 'pool', 'show') == 1
    error = capsys.readouterr().err
    assert '/nonexistent' in error
    assert 'Traceback' not in error


@pytest.mark.parametrize('text, size', [
    ('4096', 4096), ('4K', 4096), ('4KiB', 4096), ('1.5G', 3 << 29),
    ('2T', 2 << 40), ('16MB', 16 << 20), ('0', 0)])
def test_sizes(text, size):
    assert sizes.parse(text) == size


@pytest.mark.parametrize('text', ['', 'B', 'x', '1 M', '-5', '1Kb', '1e3'])
def test_no_sizes(text):
    with pytest.raises(argparse.ArgumentTypeError) as e:
        sizes.parse(text)
    assert repr(text) in str(e.value)


@pytest.mark.parametrize('size, text', [
    (0, '0 bytes'), (1, '1 bytes'), (4096, '4 KiB'), (3 << 29, '1536 MiB'),
    (2 << 40, '2 TiB')])
def test_show_size(size, text):
    assert sizes.show(size) == text
