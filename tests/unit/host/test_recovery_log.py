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

"""What became of servers after outages, as it is written down."""

import dataclasses
import json
import os
import stat

import pytest

from nova_temporality.host import paths
from nova_temporality.host import recovery_log

ENTRY = recovery_log.Entry(
    name='server', display_name='web', result=recovery_log.RESUMED, fault='',
    reason='', event_ns=10**18, boot_id='boot', host_started_ns=2 * 10**18,
    clock_is_right=True, instants={recovery_log.RUNNING: 5})


@pytest.fixture
def pool(tmp_path):
    return str(tmp_path)


def other(number):
    return dataclasses.replace(ENTRY, name='server %d' % number)


def test_nothing(pool):
    assert recovery_log.read(pool) == []


def test_in_order(pool):
    for number in range(3):
        recovery_log.append(pool, other(number))
    assert recovery_log.read(pool) == [other(0), other(1), other(2)]


def test_not_everybody_may_read_it(pool):
    recovery_log.append(pool, ENTRY)
    assert stat.S_IMODE(os.stat(paths.recoveries(pool)).st_mode) == 0o640


def test_pool_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(OSError):
        recovery_log.append(str(tmp_path / 'pool'), ENTRY)
    assert os.listdir(tmp_path) == []


def test_no_other_file_is_written(pool, tmp_path):
    os.mkdir(paths.outages(pool))
    os.symlink(tmp_path / 'elsewhere', paths.recoveries(pool))
    with pytest.raises(OSError):
        recovery_log.append(pool, ENTRY)
    assert not (tmp_path / 'elsewhere').exists()


def test_torn_entry_spoils_no_other(pool):
    recovery_log.append(pool, ENTRY)
    with open(paths.recoveries(pool), 'a') as stream:
        stream.write('\n{"name": "to')
    recovery_log.append(pool, ENTRY)
    assert recovery_log.read(pool) == [ENTRY, ENTRY]


@pytest.mark.parametrize('changed', [
    {'name': 1}, {'result': 'unheard-of'}, {'event_ns': -1},
    {'event_ns': 1 << 64}, {'event_ns': True}, {'instants': [1]},
    {'instants': {'running': 'soon'}}, {'unknown': 1}])
def test_what_is_not_sound_is_left_out(pool, changed):
    recovery_log.append(pool, ENTRY)
    with open(paths.recoveries(pool), 'a') as stream:
        json.dump({**dataclasses.asdict(ENTRY), **changed}, stream)
        stream.write('\n[]\n\xff\n')
    assert recovery_log.read(pool) == [ENTRY]


def test_never_larger_than_two_files(pool, monkeypatch):
    monkeypatch.setattr(recovery_log, '_FULL', 2000)
    for number in range(40):
        recovery_log.append(pool, other(number))
    files = os.listdir(paths.outages(pool))
    assert len(files) == 2
    assert all(os.stat(os.path.join(paths.outages(pool), name)).st_size < 2500
               for name in files)
    kept = recovery_log.read(pool)
    assert kept == [other(number) for number in range(40)][-len(kept):]
    assert len(kept) > 4


def test_long_texts_are_cut(pool):
    recovery_log.append(pool, dataclasses.replace(
        ENTRY, reason='x' * 10**6, display_name='y' * 10**6))
    [entry] = recovery_log.read(pool)
    assert len(entry.reason) == len(entry.display_name) == 500
