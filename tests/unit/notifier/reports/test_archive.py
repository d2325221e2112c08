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

"""All outages are remembered, each in a file of its own."""

import os

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage
from nova_temporality import vpm
from nova_temporality.vpm import outcomes
from tests.framework import pools

S = 10**9
FIRST = 10**18


def report(wall_ns, name='pvm'):
    return outage.report(
        power.PowerEvent('nut', wall_ns, S, ('nut',)),
        [attempts.PvmReport(name, attempts.FIXATED, fixated_ms=5.0)], 2 * S)


def outcome(name, wall_ns, *raised_by, result=outcomes.FIXATED, reason=''):
    return outcomes.Outcome(name, result, wall_ns=wall_ns, signal_ns=S,
                            fixated_ns=S + 5 * 10**6, raised_by=raised_by,
                            runstate='running', reason=reason)


@pytest.fixture
def reports(tmp_path):
    return archive.Archive(str(tmp_path / 'outages'))


def test_nothing_happened_yet(reports):
    assert reports.ids() == []
    assert reports.load('20010909T014640.000Z') is None


def test_the_oldest_are_dropped(reports):
    for number in range(103):
        reports.store(report(FIRST + number * S))
    ids = reports.ids()
    assert len(ids) == 100
    assert ids[0] == outage.id_of(FIRST + 3 * S)
    assert ids[-1] == outage.id_of(FIRST + 102 * S)


@pytest.mark.parametrize('wanted', ['../last', '', '/etc/passwd', 'x'])
def test_only_what_is_in_it_is_read(reports, tmp_path, wanted):
    reports.store(report(FIRST))
    outage.store(report(FIRST), str(tmp_path / 'last.json'))
    assert reports.load(wanted) is None


def test_who_may_read_it(reports, tmp_path):
    reports.store(report(FIRST))
    assert os.stat(tmp_path / 'outages').st_mode & 0o007 == 0


class TestComplete:
    """Power was gone before the report was written."""

    def test_report_is_made_of_the_ring(self, reports):
        reports.complete([
            outcome('old', FIRST - S, 'drill'), outcome('a', FIRST, 'nut'),
            outcome('b', FIRST, 'nut', result=outcomes.FAILED,
                    reason='bad\nluck'),
            outcome('a', FIRST + S, 'suspend'),
            outcome('a', FIRST + S, 'snapshot')])
        made, = map(reports.load, reports.ids())
        assert made['id'] == outage.id_of(FIRST)
        assert made['event']['raised_by'] == ['nut']
        a, b = made['pvms']
        assert (a['name'], a['result'], a['fixated_ms']) == (
            'a', 'fixated', 5.0)
        assert (b['name'], b['result'], b['reason']) == (
            'b', 'failed', 'bad\\nluck')

    def test_what_has_a_report_keeps_it(self, reports):
        later = report(FIRST + S, 'later')
        reports.store(outage.merge(report(FIRST, 'first'), later))
        reports.complete([outcome('first', FIRST, 'nut'),
                          outcome('later', FIRST + S, 'nut')])
        made, = map(reports.load, reports.ids())
        assert [pvm['name'] for pvm in made['pvms']] == ['first', 'later']
        assert made['event']['source'] == 'nut'

    def test_drills_that_fill_the_ring_push_nothing_out(self, reports,
                                                        tmp_path):
        with vpm.Pool.create(tmp_path / 'pool', total_size=1 << 20,
                             state_size=64 << 10, uid_base=0) as pool:
            pools.record(pool, outcome('a', FIRST, 'nut'))
            reports.complete(outcomes.read(pool))
            for number in range(600):
                pools.record(pool, outcome('x', FIRST + S, 'drill'))
            assert not any(map(archive.is_outage, outcomes.read(pool)))
            reports.complete(outcomes.read(pool))
        assert reports.ids() == [outage.id_of(FIRST)]
