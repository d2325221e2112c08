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

"""SIGKILL while a vault is written, or restored."""

import os
import signal
import subprocess
import sys

import pytest

from nova_temporality.vault import restoring
from nova_temporality.vault import writing
from tests.framework import killed_at
from tests.framework import pools

POINTS = (1, 2, 3, 5, 7, 9, 12, 15, 18, 22, 27, 33, 40)


def is_killed(host, what, number):
    """Whether it was killed, not done."""
    result = subprocess.run(
        [sys.executable, killed_at.__file__, what, host.vault,
         host.pool_path, str(number)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    assert result.returncode in (0, -signal.SIGKILL)
    return result.returncode != 0


def check_whole(host, regions):
    for region in regions:
        found = host.pool.lookup(region.name)
        assert host.is_proven(region.name)
        assert host.memory(found)[100000:][:len(region.name)] == (
            region.name.encode())


@pytest.fixture
def servers(host):
    return [host.server('one'), host.server('two', is_paged=True)]


def test_restoring(host, servers):
    host.write()
    host.lose_dram()
    killed = [is_killed(host, 'restore', number) for number in POINTS
              if not os.path.exists(host.pool_path)]
    assert sum(killed) > 5
    host.restore()
    check_whole(host, servers)


@pytest.mark.parametrize('number', [5, 10, 15, 20, 25])
def test_writing(host, number):
    """Then the host is booted all the same: no wrong byte is proven."""
    host.server('one')
    host.server('two')
    assert is_killed(host, 'write', number)
    host.lose_dram()
    for name, outcome in host.restore().items():
        if outcome.result == restoring.RESTORED:
            check_whole(host, [host.pool.lookup(name)])
        else:
            assert outcome.reason == writing._NOT_YET
            assert not host.is_proven(name)


def test_writing_again(host, servers):
    for number in POINTS[::3]:
        is_killed(host, 'write', number)
    host.reboot()
    check_whole(host, servers)


@pytest.fixture
def one_runs(host, servers):
    """Both are in the vault, but the first one runs again."""
    host.write()
    host.pool.begin_epoch(servers[0].id)
    return servers


def test_writing_ahead(host, one_runs):
    """Of the one that runs nothing is proven; the other one is kept."""
    killed = [is_killed(host, 'ahead', number) for number in POINTS]
    assert sum(killed) > 5
    host.lose_dram()
    outcomes = host.restore()
    assert outcomes['one'].result == restoring.UNPROVEN
    assert not host.is_proven('one')
    check_whole(host, one_runs[1:])


@pytest.mark.parametrize('number', POINTS[::3])
def test_writing_after_writing_ahead(host, one_runs, number):
    is_killed(host, 'ahead', number)
    pools.fixate(host.pool, one_runs[0].id)
    host.reboot(host.writer())
    check_whole(host, one_runs)
