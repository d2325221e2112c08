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

"""temporality recover"""

import os

import pytest

from nova_temporality.host import notes
from nova_temporality import vpm
from tests.unit.virt import base


@pytest.fixture
def run_dir(tmp_path):
    return str(tmp_path / 'run')


@pytest.fixture
def proven(created, tmp_path):
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        region = pool.alloc('server', 1 << 20)
        pool.begin_epoch(region.id)
        base.fixate(pool, region.id)


def test_leaves_a_request(run, proven, run_dir, capsys):
    assert run('recover', 'server') == 0
    assert notes.recovery_requests(run_dir) == ['server']
    assert not notes.accepts_disks(run_dir, 'server')
    assert 'openstack server event list server' in capsys.readouterr().out


def test_nova_compute_may_see_it_whatever_the_umask_is(run, proven, run_dir):
    before = os.umask(0o077)
    try:
        assert run('recover', '--accept-disks', 'server') == 0
    finally:
        os.umask(before)
    for name in ('recover', 'accept-disks'):
        mode = os.stat(os.path.join(run_dir, name)).st_mode
        assert mode & 0o777 == 0o755


def test_disks_are_accepted_by_the_latest_request(run, proven, run_dir):
    assert run('recover', '--accept-disks', 'server') == 0
    assert notes.accepts_disks(run_dir, 'server')
    assert run('recover', 'server') == 0
    assert not notes.accepts_disks(run_dir, 'server')


@pytest.mark.parametrize('name', ['../server', ''])
def test_refuses_what_is_no_name(run, proven, run_dir, name):
    assert run('recover', name) == 1
    assert notes.recovery_requests(run_dir) == []


def test_refuses_what_it_does_not_know(run, proven, run_dir, capsys):
    assert run('recover', 'other') == 1
    error = capsys.readouterr().err
    assert 'is not a persistent server of this host' in error
    assert 'region list' in error
    assert notes.recovery_requests(run_dir) == []


def test_refuses_what_has_no_proven_state(run, created, tmp_path, run_dir,
                                          capsys):
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        pool.alloc('server', 1 << 20)
    assert run('recover', 'server') == 1
    assert 'no proven state' in capsys.readouterr().err
    assert notes.recovery_requests(run_dir) == []
