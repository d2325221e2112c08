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

"""What is published about pVMs, and how often."""

import errno
import os
import types

import pytest

from nova_temporality.notifier import fleet as fleet_module
from nova_temporality.notifier.pvm import conditions
from nova_temporality import vpm

pytestmark = pytest.mark.native_threads


class Pvm:
    """Stands for pvm.Pvm."""

    broken = ()
    hangs = False
    is_alive = True
    priority = 50

    def __init__(self, pool, engine, region, *args):
        if region.name in self.broken:
            raise vpm.SystemCallFailed(
                'cannot make the note: %s' % os.strerror(errno.EMFILE))
        self.region = region
        self.condition = conditions.Condition(conditions.ARMED)

    def close(self):
        pass


class Region:
    id = created_ns = sequence = 1

    def __init__(self, name):
        self.name = name


class Pool:
    """Stands for vpm.Pool."""

    names = ('a', 'b')

    def regions(self):
        return [Region(name) for name in self.names]


@pytest.fixture
def fleet(monkeypatch):
    monkeypatch.setattr(fleet_module.pvm_module, 'Pvm', Pvm)
    published = []
    made = fleet_module.Fleet(
        Pool(), None, '/run', 1, None,
        lambda kind, data: published.append((data['name'], kind)))
    made.published = published
    made.scan()
    published.clear()
    return made


@pytest.fixture
def clock(monkeypatch):
    """Set what time.monotonic() returns."""
    now = [fleet_module.time.monotonic()]
    monkeypatch.setattr(fleet_module.time, 'monotonic', lambda: now[0])

    def wait(seconds):
        now[0] += seconds
    return wait


def be(fleet, name, state):
    fleet.known()[name].condition = conditions.Condition(state)
    fleet.scan()


def test_guest_that_toggles_floods_nobody(fleet, clock):
    clock(100)
    for _ in range(100):
        be(fleet, 'a', conditions.NOT_ARMED)
        be(fleet, 'a', conditions.ARMED)
    assert fleet.published == [('a', 'pvm.unarmed')]
    # Others are not concerned.
    be(fleet, 'b', conditions.NOT_ARMED)
    assert fleet.published[1:] == [('b', 'pvm.unarmed')]
    # What lasts is told in the end.
    clock(61)
    fleet.scan()
    assert fleet.published[2:] == [('a', 'pvm.armed')]
    fleet.scan()
    assert len(fleet.published) == 3


def test_what_did_not_last_is_not_told(fleet, clock):
    clock(100)
    be(fleet, 'a', conditions.NOT_ARMED)
    be(fleet, 'a', conditions.ARMED)
    be(fleet, 'a', conditions.NOT_ARMED)
    clock(100)
    fleet.scan()
    assert fleet.published == [('a', 'pvm.unarmed')]


def test_outage_is_no_event_of_a_server(fleet, clock):
    clock(100)
    be(fleet, 'a', conditions.FIXATED)
    clock(100)
    be(fleet, 'a', conditions.ARMED)
    assert fleet.published == [('a', 'pvm.armed')]


@pytest.mark.parametrize('state, runs', [
    (conditions.ARMED, True), (conditions.NOT_ARMED, True),
    (conditions.FIXATED, False), (conditions.OFF, False),
    (conditions.STOPPED, False)])
def test_those_that_run(fleet, state, runs):
    be(fleet, 'a', conditions.OFF)
    be(fleet, 'b', state)
    assert fleet.running() == ({'b'} if runs else set())


def test_one_that_cannot_be_looked_after_leaves_the_others_alone(
        fleet, monkeypatch):
    monkeypatch.setattr(Pool, 'names', ('a', 'a2', 'b', 'b2'))
    monkeypatch.setattr(Pvm, 'broken', ('a2',))
    fleet.scan()
    assert sorted(fleet.known()) == ['a', 'b', 'b2']
    # It is no secret.
    [broken] = [one for one in fleet.status() if one['name'] == 'a2']
    assert broken['state'] == conditions.NOT_ARMED
    assert 'cannot make the note' in broken['reason']
    assert 'LimitNOFILE' in broken['remedy']
    assert fleet.published == [('b2', 'pvm.armed')]
    # It is tried again, and forgotten with its region.
    monkeypatch.setattr(Pvm, 'broken', ())
    fleet.scan()
    assert 'a2' in fleet.known()
    assert len(fleet.status()) == 4
    monkeypatch.setattr(Pvm, 'broken', ('b3',))
    monkeypatch.setattr(Pool, 'names', ('a', 'b3'))
    fleet.scan()
    monkeypatch.setattr(Pool, 'names', ('a',))
    fleet.scan()
    assert [one['name'] for one in fleet.status()] == ['a']


def test_one_that_cannot_be_looked_after_stays_armed(fleet, monkeypatch):
    """The engine has it of an earlier notifier."""
    class Engine:
        forgotten = []

        def units(self):
            return [types.SimpleNamespace(region=number, created_ns=1)
                    for number in (1, 2, 3)]

        def forget(self, region, created_ns):
            self.forgotten.append(region)

    regions = [Region('c'), Region('d')]
    regions[1].id = 2
    monkeypatch.setattr(Pool, 'regions', lambda _pool: regions)
    monkeypatch.setattr(Pvm, 'broken', ('d',))
    fleet._engine = Engine()
    fleet.scan()
    fleet.forget_others()
    assert Engine.forgotten == [3]


def test_thread_of_a_pvm_that_hangs(fleet):
    """A restart, which a problem leads to, would not mend that."""
    assert fleet.unwatched() == []
    fleet.known()['b'].hangs = True
    assert fleet.unwatched() == ['b']
    assert fleet.problem() is None


def test_thread_of_all_that_hangs(fleet, monkeypatch):
    monkeypatch.setattr(fleet_module.rounds.Rounds, 'hangs', True)
    assert 'hangs' in fleet.problem()
