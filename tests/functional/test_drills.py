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

"""Some random power cuts; "make drills" makes more of them."""

import json
import pathlib
import random
import subprocess
import sys

import pytest

from tests.drills import __main__ as command
from tests.drills import disk
from tests.drills import plan
from tests.drills import rounds

_TOP = pathlib.Path(__file__).parents[2]
# On either host some servers are in no hurry, and have to survive.
_NUMBER, _SEED = 6, '8'

_FIXATED = plan.Round(
    kind=plan.NVRAM, run_s=0, event=plan.NOTHING, event_s=0, lead_s=0,
    by=plan.POD, since=plan.PROVEN, dark_ms=0, again='', again_s=0,
    put_back='')


@pytest.fixture
def host():
    with command.with_nvram() as host:
        yield host


def test_nothing_is_lost():
    done = subprocess.run(
        [sys.executable, '-m', 'tests.drills', '--rounds', str(_NUMBER),
         '--seed', _SEED],
        cwd=_TOP, stdout=subprocess.PIPE, text=True, encoding='utf-8',
        check=False)
    *_, last = done.stdout.splitlines()
    counts = json.loads(last)
    assert (done.returncode, counts['lost']) == (0, 0), done.stdout
    assert counts['rounds'] == _NUMBER
    for kind, servers in (plan.NVRAM, 3), (plan.VAULT, 2):
        its = counts['kinds'][kind]
        assert its['survived'] > 0
        assert its['survived'] + its['unproven'] == servers * its['rounds']


def test_same_seed_same_round():
    assert plan.Round.of('a', 1) == plan.Round.of('a', 1)
    assert plan.Round.of('a', 1) != plan.Round.of('a', 2)


def test_damaged_memory_is_found(host, monkeypatch):
    judge = host._judge

    def damage(server, *args):
        # Half of its memory: that is never all of one kind.
        half = server.region.size // 2
        with open(server.region.ram_path, 'r+b') as ram:
            ram.seek(half)
            ram.write(b'\xa5' * half)
        judge(server, *args)

    monkeypatch.setattr(host, '_judge', damage)
    found = host.run(_FIXATED, random.Random(0))
    assert [each.verdict for each in found] == [rounds.LOST] * 3


def test_state_that_is_gone_is_found(host, monkeypatch):
    cut = host._cut

    def lose(chance):
        found = cut(chance)
        for server in host._servers:
            with open(server.state_path(), 'r+b') as state:
                state.write(bytes(4096))
        return found

    monkeypatch.setattr(host, '_cut', lose)
    found = host.run(_FIXATED, random.Random(0))
    assert [each.verdict for each in found] == [rounds.LOST] * 3


def test_write_that_was_flushed_and_lost_is_found(host, monkeypatch):
    writes = disk.Disk._writes

    def without_flushes(self):
        return ((offset, data, 0) for offset, data, _ in writes(self))

    monkeypatch.setattr(disk.Disk, '_writes', without_flushes)
    found = host.run(_FIXATED, random.Random(0))
    for server, each in zip(host._servers, found):
        # It finds that when it reads what is not there.
        if each.verdict == rounds.SURVIVED:
            with pytest.raises(AssertionError):
                server.check_all(20)
