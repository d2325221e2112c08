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

"""The simulation of a region, and what the page of it rests on."""

import json
import random

import pytest
import simpy

from bench.region import __main__ as program
from bench.region import curves
from bench.region import inputs
from bench.region import model
from bench.region import plot
from bench.region import queues
from bench.region import sharing
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt.recovery import service
from nova_temporality.virt.recovery import sweep

# A region that is small, and waits for nothing.
SMALL = {'hosts': 4, 'servers_per_host': 5}
CALM = {'host_spread': 0, 'start_questions': 0, 'conductor_seconds': 0,
        'database_seconds': 0, 'bus_messages': 1e12}


def run(seed=1, away=(), **others):
    return model.run(inputs.figures(**{**SMALL, **others}), seed, away)


def arrivals(load, seconds, count):
    """Random instants at which so much work comes."""
    chance = random.Random(1)
    now = 0.0
    for _ in range(count):
        now += chance.expovariate(load / seconds)
        yield now


# -- the machinery, against what is known in closed form ----------------------

@pytest.mark.parametrize('load', [0.3, 0.6, 0.8])
def test_queue_waits_as_pollaczek_and_khinchine_say(load):
    queue = queues.Queue(1, 1.0)
    waits = [queue.done(now) - now - 1.0
             for now in arrivals(load, 1.0, 100_000)]
    assert sum(waits) / len(waits) == pytest.approx(
        load / (2 * (1 - load)), rel=0.06)


def test_queue_of_many_workers():
    """All come at once: rows of as many as there are workers."""
    queue = queues.Queue(3, 2.0)
    assert [queue.done(1.0) for _ in range(7)] == [3, 3, 3, 5, 5, 5, 7]
    assert queue.longest_wait == 4


def test_queue_drops_what_is_too_old():
    queue = queues.Queue(1, 2.0, away=[(1.0, 9.0)])
    assert queue.done(0.5) == 2.5
    assert queue.done(1.0, deadline=8.0) is None
    assert queue.done(1.0, deadline=9.5) == 11.0
    assert queue.served() == 2


@pytest.mark.parametrize('load', [0.3, 0.7])
def test_equal_shares_take_as_long_as_theory_says(load):
    """Mean time of M/G/1 with processor sharing: work / (1 - load)."""
    env = simpy.Environment()
    shared = sharing.Shared(env, 1.0, 1.0)
    took = []

    def use(begin):
        yield env.timeout(begin)
        yield shared.use(1.0)
        took.append(env.now - begin)

    for begin in arrivals(load, 1.0, 10_000):
        env.process(use(begin))
    env.run()
    assert len(took) == 10_000
    assert sum(took) / len(took) == pytest.approx(1 / (1 - load), rel=0.1)


def test_nobody_has_more_than_one_can_have():
    env = simpy.Environment()
    shared = sharing.Shared(env, 10.0, 1.0, opens=5.0)
    env.run(shared.use(3.0))
    assert env.now == 8.0


# -- the region ---------------------------------------------------------------

@pytest.mark.parametrize('others', [
    {}, {'ordinary_servers_per_host': 3}, {'storage_back': 900},
    {'control_plane_back': 700},
    {'evacuator': 1, 'evacuator_patience': 60, 'host_spread': 900,
     'ordinary_servers_per_host': 3}])
def test_no_server_is_lost_or_there_twice(others):
    region = model.Region(inputs.figures(**{**SMALL, **others}))
    outcome = region.run()
    servers = [server for host in region.hosts for server in host.servers]
    assert sum(outcome.ends.values()) == len(servers)
    for server in servers:
        ends = [how for _when, how in server.ends]
        if server.is_taken:
            assert ends[-1] == 'evacuated'
        else:
            assert ends == ['resumed' if server.is_persistent else 'booted']
    twice = sum(len(server.ends) > 1 for server in servers)
    assert twice == outcome.robbed


def test_evacuated_before_the_host_is_back():
    outcome = run(evacuator=1, evacuator_patience=60, host_spread=900,
                  evacuator_start=300)
    assert outcome.ends['evacuated'] > 0
    assert outcome.asked >= outcome.ends['evacuated']


def test_same_seed_same_outcome():
    assert run() == run()
    assert run(seed=2) != run()


def test_one_calm_host_takes_what_its_steps_take():
    outcome = run(hosts=1, servers_per_host=1, **CALM)
    figures = inputs.figures()
    expected = (figures['host_boot'] + figures['compute_start'] +
                figures['settle'] + figures['start_seconds'] +
                figures['load_seconds'])
    # One server of one host can have its whole share of the storage.
    read = figures['recovery_requests'] / figures['storage_requests']
    assert outcome.p100 == pytest.approx(expected + read, abs=0.05)


@pytest.mark.parametrize('name, values', [
    ('parallel', (8, 2, 1)), ('conductor_seconds', (0.001, 0.1, 0.4)),
    ('start_seconds', (0.3, 1, 5)), ('storage_requests', (1000, 100, 10)),
    ('control_plane_back', (0, 600, 1200)), ('host_boot', (100, 200, 300))])
def test_worse_is_not_faster(name, values):
    ends = [run(**{name: value}).p100 for value in values]
    assert ends == sorted(ends)


def test_scale_changes_little():
    # Nova is the narrow place, and all come when it is back.
    exact, scaled = (
        run(hosts=64, conductor_seconds=0.4, control_plane_back=700,
            scale=scale) for scale in (1, 8))
    assert exact.conductor == scaled.conductor == pytest.approx(1, abs=0.01)
    assert scaled.p95 - 700 == pytest.approx(exact.p95 - 700, rel=0.1)


def test_nova_that_is_away_is_asked_again():
    outcome = run(away=[(250, 900)], host_spread=10)
    assert outcome.timeouts > 0
    assert outcome.ends == {'resumed': 20}
    assert outcome.p50 > 900


# -- figures ------------------------------------------------------------------

def test_every_figure_has_a_source():
    for name, entry in inputs.read().items():
        assert entry['source'].startswith(
            ('measured', 'code', 'literature', 'assumed')), name
        if 'low' in entry:
            assert entry['low'] <= entry['value'] <= entry['high'], name


def test_unknown_figure_is_named():
    with pytest.raises(ValueError, match='pralel'):
        inputs.figures(pralel=8)


def test_figures_are_those_of_the_code():
    figures = inputs.figures()
    assert figures['parallel'] == keeper._PARALLEL
    assert figures['delay_min'] == keeper._DELAY_MIN
    assert figures['delay_max'] == keeper._DELAY_MAX
    assert figures['asking'] == service._ASKING
    assert figures['settle'] == service._SETTLE
    assert figures['sweep_seconds'] == sweep._DURATION
    assert figures['sweep_interval'] == sweep._INTERVAL


def test_record_is_of_these_figures(tmp_path):
    record = json.loads(program.RECORD.read_text(encoding='utf-8'))
    assert record['inputs'] == inputs.figures(), 'run make bench-region'
    assert set(record) == {'inputs', *curves.ALL}
    plot.draw(record, tmp_path)
    assert len(list(tmp_path.glob('region-*.svg'))) == 2
