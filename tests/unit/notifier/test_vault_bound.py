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

"""When servers are slowed, so that what is left for the vault is bounded."""

import time

import pytest

from nova_temporality.host import cpu_brakes
from nova_temporality.host import vault_bandwidth
from nova_temporality.notifier import vault_bound
from tests.framework import vaults

pytestmark = pytest.mark.native_threads

MIB = 1 << 20
# The disk takes 1.5 MiB in time, of which 2 states of 64 KiB are.
ROOM = 1375 * MIB // 1000


class Left:
    """What is left of one server."""

    def __init__(self):
        self.bytes = 0
        self.unvisited = 0
        self.new = 0

    def grown(self):
        return self.new

    def left(self):
        return self.bytes + self.unvisited

    def changed(self):
        return self.bytes


class Ahead:
    """Stands in for ahead.Ahead."""

    def __init__(self):
        self.servers = {'a': Left(), 'b': Left()}
        self.is_urgent = False
        self.counted = {}

    def look(self):
        pass

    def known(self):
        return dict(self.servers)

    def unseen(self):
        return dict(self.counted)


class Brakes:
    """Stands in for cpu_brakes.Brakes."""

    def __init__(self, path):
        self.speeds = {}

    def set(self, pid, speed):
        if pid == 13:
            raise cpu_brakes.Unavailable('for a reason')
        self.speeds[pid] = speed

    def release(self):
        self.speeds.clear()


class Host:
    """Two servers of 1 MiB each; comparing takes no time."""

    def __init__(self, host, monkeypatch):
        monkeypatch.setattr(cpu_brakes, 'Brakes', Brakes)
        monkeypatch.setattr(cpu_brakes, 'check', self.check)
        self.host = host
        self.ahead = Ahead()
        self.pids = {'a': 1, 'b': 2}
        self.is_halted = False
        for name in self.ahead.servers:
            host.server(name)
        vault_bandwidth.note(host.vault, 0.5, 1e9)
        self.bound = vault_bound.VaultBound(
            host.pool, 3, self.ahead, lambda: self.pids,
            lambda: self.is_halted, 'note')

    def check(self, pid):
        if pid == 13:
            raise cpu_brakes.Unavailable('for a reason')

    def left(self, a, b=0):
        """So many parts of the room are left."""
        self.ahead.servers['a'].bytes = int(a * ROOM)
        self.ahead.servers['b'].bytes = int(b * ROOM)
        self.bound.step()
        return self.bound._brakes.speeds


@pytest.fixture
def bounded(monkeypatch):
    with vaults.directories() as directories:
        host = vaults.VaultedHost(*directories)
        yield Host(host, monkeypatch)
        host.pool.close()


def test_room(bounded):
    bounded.bound.step()
    status = bounded.bound.watch.status()
    assert status['bounded'] == 2 * MIB
    assert status['room'] == pytest.approx(ROOM, rel=0.01)
    assert (status['bytes'], status['fits']) == (2 * 65536, True)


def test_as_much_may_have_come_since_the_last_look(bounded):
    bounded.ahead.servers['a'].new = 8192
    bounded.left(0.0)
    assert bounded.bound.watch.status()['bytes'] == 2 * 65536 + 8192


def test_little_is_left(bounded):
    assert bounded.left(0.4) == {}
    assert bounded.ahead.is_urgent is False


def test_written_at_full_speed_before_anybody_is_slowed(bounded):
    assert bounded.left(0.6) == {}
    assert bounded.ahead.is_urgent is True
    assert bounded.left(0.1) == {}
    assert bounded.ahead.is_urgent is False


def test_the_more_is_left_the_slower(bounded):
    speeds = [bounded.left(part)[1] for part in (0.76, 0.8, 0.9, 0.99, 5.0)]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] <= 0.95
    assert len(set(speeds)) == len(speeds)
    assert speeds[-1] == cpu_brakes.SLOWEST


def test_who_writes_most_is_slowed(bounded):
    assert list(bounded.left(0.2, 0.7)) == [2]
    bounded.left(0.0)
    assert sorted(bounded.left(0.45, 0.45)) == [1, 2]


def test_until_enough_is_written(bounded):
    """Not slowed and released all the time."""
    bounded.left(0.8)
    assert bounded.left(0.7) != {}
    assert bounded.left(0.65) != {}
    assert bounded.left(0.55) == {}
    assert bounded.left(0.7) == {}


def test_nobody_is_slowed_for_what_nobody_looked_at(bounded):
    bounded.ahead.servers['a'].unvisited = ROOM
    assert bounded.left(0.0, 0.4) == {}
    assert bounded.ahead.is_urgent is True
    status = bounded.bound.watch.status()
    assert status['fits'] is False


def test_nobody_is_slowed_who_stands_still(bounded):
    bounded.left(0.9)
    bounded.is_halted = True
    assert bounded.left(0.9) == {}
    assert bounded.ahead.is_urgent is False


def test_nobody_is_slowed_in_vain(bounded, monkeypatch):
    """What is written in any case takes too long already."""
    slow = vault_bandwidth.Bandwidth('/vault', 0.001, 'now', 1e9)
    monkeypatch.setattr(bounded.bound.watch, 'look',
                        lambda: vault_bound.forecast.Look(slow, None))
    assert bounded.left(0.9) == {}


def test_who_cannot_be_slowed_counts_as_a_whole(bounded):
    bounded.pids['b'] = 13
    bounded.left(0.1)
    status = bounded.bound.watch.status()
    assert status['counted'] == {'b': 'for a reason'}
    assert status['bounded'] == MIB
    assert bounded.left(0.0, 5.0) == {}


def test_whose_writes_are_not_seen_counts_as_a_whole(bounded):
    del bounded.ahead.servers['b']
    bounded.ahead.counted = {'b': 'not seen'}
    bounded.bound.step()
    status = bounded.bound.watch.status()
    assert status['counted'] == {'b': 'not seen'}
    assert status['bytes'] > MIB


def test_disk_that_does_not_answer(bounded, monkeypatch):
    """The room is what it was."""
    bounded.left(0.1)
    monkeypatch.setattr(bounded.bound.watch, 'look',
                        lambda: vault_bound.forecast.Look(None, 'silent'))
    assert list(bounded.left(0.9)) == [1]


def test_look_that_is_too_old(bounded, monkeypatch):
    bounded.left(0.1)
    later = time.monotonic() + 11
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    bounds = bounded.bound.bounded()
    assert bounds.left == {}
    assert sorted(bounds.counted) == ['a', 'b']


def test_released_at_the_end(bounded):
    bounded.left(0.9)
    bounded.bound.close()
    assert bounded.bound._brakes.speeds == {}
    assert bounded.left(0.9) == {}


def test_server_that_ended(bounded):
    bounded.left(0.9)
    del bounded.ahead.servers['a']
    bounded.pids.clear()
    bounded.bound.step()
    assert bounded.bound._brakes.speeds == {}


def test_for_how_long(bounded, monkeypatch):
    """The thread counts it."""
    bounded.left(0.9)
    times = iter([100.0, 100.5, 102.5])
    ends = iter([False, False, True])
    monkeypatch.setattr(bounded.bound._ended, 'wait', lambda _: next(ends))
    monkeypatch.setattr(bounded.bound, 'step', lambda: None)
    monkeypatch.setattr(vault_bound.time, 'monotonic', lambda: next(times))
    bounded.bound._work()
    assert bounded.bound.slowed == {'a': 2.5}


def test_without_hold_up_nothing_is_started(bounded, monkeypatch):
    monkeypatch.setattr('threading.Thread', None)
    vault_bound.VaultBound(bounded.host.pool, 0, bounded.ahead, dict, bool,
                           'note').start()
