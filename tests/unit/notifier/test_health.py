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


import datetime
import pathlib
import re

import pytest

from nova_temporality.notifier import health
from nova_temporality.notifier import mutes
from nova_temporality.notifier.pvm import conditions
from tests.framework import status as framework_status

PAGE = pathlib.Path(__file__).parents[3] / 'doc/source/operate/health.rst'
NOW = (datetime.datetime.fromisoformat(framework_status.DRILLED_AT) +
       datetime.timedelta(days=30))
LATER = NOW + datetime.timedelta(seconds=1)
FAR = 2e9


def look(now=NOW, muted=None, **changes):
    return health.report(framework_status.sound(**changes), muted or {}, now)


def raised(report):
    """What each code that is raised is about."""
    return {finding['code']: [concern['name'] for concern in
                              finding['concerns']]
            for finding in report['findings']}


def pvm(name='one', state=conditions.NOT_ARMED, reason='QEMU hangs',
        remedy=None):
    return dict(framework_status.ARMED, name=name, state=state,
                reason=reason, remedy=remedy)


def source(**changes):
    return dict(framework_status.SOURCE, **changes)


def budget(**changes):
    return framework_status.sound()['budget'] | changes


LOST = source(name='nut', state='lost', detail='upsd is away', is_sound=False)


def test_sound():
    assert look() == {'health': 'OK', 'findings': [], 'mutes': {}}


@pytest.mark.parametrize('changes, word, expected', [
    ({'pool_error': 'gone'}, 'CRITICAL', {'POOL_UNREADABLE': ['/pool']}),
    ({'medium': 'tmpfs'}, 'WARN', {'POOL_NOT_DAX': ['/pool']}),
    ({'platform': {'caches': 'dram', 'detail': 'ordinary DRAM'}}, 'WARN',
     {'POOL_NOT_DAX': ['/pool']}),
    ({'platform': {'caches': 'vault', 'detail': 'with a vault'}}, 'WARN',
     {'POOL_NOT_DAX': ['/pool']}),
    ({'medium': 'file', 'medium_problem': 'made on DAX',
      'platform': {'caches': 'nobody', 'detail': 'made on DAX'}},
     'CRITICAL', {'POOL_MEDIUM': ['/pool']}),
    ({'platform': {'caches': 'nobody', 'detail': 'no eADR'}}, 'CRITICAL',
     {'CACHES_LOST': ['platform']}),
    ({'engine_problem': 'it has ended'}, 'CRITICAL',
     {'ENGINE_AWAY': ['engine']}),
    ({'engine_lost': 'no SCHED_FIFO'}, 'WARN',
     {'ENGINE_DEGRADED': ['engine']}),
    ({'unwatched': ['one']}, 'CRITICAL', {'PVM_UNWATCHED': ['one']}),
    ({'budget': budget(fits=False)}, 'CRITICAL',
     {'BUDGET_EXCEEDED': ['hold_up_ms']}),
    ({'outage_raised_by': ('signal',)}, 'WARN', {'OUTAGE': ['outage']}),
    ({'last_drill': {'pvms': [
        {'name': 'one', 'result': 'failed', 'reason': 'late'},
        {'name': 'two', 'result': 'fixated', 'reason': None}]}}, 'WARN',
     {'DRILL_FAILED': ['one']})])
def test_codes(changes, word, expected):
    report = look(**changes)
    assert raised(report) == expected
    assert report['health'] == word


class TestVault:
    """Of a pool whose servers are written to it when power fails."""

    PLATFORM = {'caches': 'vault', 'detail': 'with a vault'}
    SOUND = {'path': '/vault', 'hold_up': 60, 'bytes': 30 << 30,
             'mib_per_s': 1024.0, 'measured_at': '2026', 'predicted': 30.0,
             'problem': None, 'fits': True, 'counted': {}}

    def raised(self, **changes):
        report = look(medium='tmpfs', platform=self.PLATFORM,
                      vault=self.SOUND | changes)
        return report['health'], raised(report)

    def test_power_lasts(self):
        assert self.raised() == ('OK', {})

    def test_planned_reboots_only(self):
        assert self.raised(hold_up=0) == ('WARN', {'POOL_NOT_DAX': ['/pool']})

    def test_power_does_not_last(self):
        assert self.raised(predicted=61.0, fits=False) == (
            'CRITICAL', {'VAULT_TOO_SLOW': ['vault_hold_up']})

    def test_why_the_memory_of_a_server_counts(self):
        counted = {'pvm': 'for a reason'}
        assert self.raised(counted=counted) == ('OK', {})
        report = look(medium='tmpfs', platform=self.PLATFORM,
                      vault=self.SOUND | {'predicted': 61.0, 'fits': False,
                                          'counted': counted})
        finding, = report['findings']
        assert finding['concerns'][1] == {
            'name': 'pvm',
            'detail': 'all of its memory counts: for a reason'}

    def test_nobody_can_tell(self):
        assert self.raised(problem='never measured', predicted=None,
                           fits=False) == (
            'CRITICAL', {'VAULT_UNREADY': ['/vault']})


class TestNvdimms:

    @pytest.mark.parametrize('changes, word, code', [
        ({'is_armed': False}, 'CRITICAL', 'NVDIMM_NOT_ARMED'),
        ({'losses': ['lost']}, 'WARN', 'NVDIMM_TROUBLE'),
        ({'events': ['smart_event']}, 'WARN', 'NVDIMM_TROUBLE')])
    def test_trouble(self, changes, word, code):
        bad = dict(framework_status.NVDIMM, name='nmem1', **changes)
        report = look(nvdimms=[framework_status.NVDIMM, bad])
        assert raised(report) == {code: ['nmem1']}
        assert report['health'] == word


class TestSources:

    def test_one_of_two_is_lost(self):
        report = look(sources=[source(), LOST])
        assert raised(report) == {'POWER_SOURCE_LOST': ['nut']}
        assert report['health'] == 'WARN'
        assert report['findings'][0]['concerns'][0]['detail'] == (
            'upsd is away')

    def test_problem_of_one_that_is_heard(self):
        report = look(sources=[source(problem='password', is_sound=False)])
        assert raised(report) == {'POWER_SOURCE_LOST': ['signal']}

    def test_deaf(self):
        report = look(sources=[LOST])
        assert raised(report) == {'POWER_UNHEARD': ['nut'],
                                  'POWER_SOURCE_LOST': ['nut']}
        assert report['health'] == 'CRITICAL'

    def test_none(self):
        assert raised(look(sources=[])) == {'POWER_UNHEARD': ['pod_sources']}


class TestServers:

    @pytest.mark.parametrize('state', [conditions.NOT_ARMED,
                                       conditions.STOPPED])
    def test_unarmed(self, state):
        report = look(pvms=[framework_status.ARMED,
                            pvm(state=state, remedy='do this')])
        assert raised(report) == {'PVM_UNARMED': ['one']}
        detail = report['findings'][0]['concerns'][0]['detail']
        assert detail == state + ' - QEMU hangs - do this'

    @pytest.mark.parametrize('reason',
                             sorted(conditions.NOTHING_TO_SAVE.values()))
    def test_nothing_to_save(self, reason):
        assert raised(look(pvms=[pvm(reason=reason)])) == {}

    @pytest.mark.parametrize('state', [conditions.OFF, conditions.FIXATED])
    def test_states_that_are_sound(self, state):
        assert raised(look(pvms=[pvm(state=state)])) == {}

    def test_pending(self):
        dark = pvm(state=conditions.OFF, reason=None)
        report = look(pvms=[dark], pending={'one': 'no volume', 'gone': ''})
        assert raised(report) == {'RECOVERY_PENDING': ['one']}
        assert report['findings'][0]['concerns'][0]['detail'] == 'no volume'

    def test_pending_with_a_qemu_that_waits(self):
        """It is there between two tries, and has nothing to save."""
        waiting = pvm(state=conditions.NOT_ARMED,
                      reason=conditions.NOTHING_TO_SAVE['inmigrate'])
        report = look(pvms=[waiting], pending={'one': 'no answer'})
        assert raised(report) == {'RECOVERY_PENDING': ['one']}

    def test_one_that_runs_is_not_pending(self):
        """nova-compute looks at all of them when it starts."""
        assert raised(look(pending={'pvm': ''})) == {}

    def test_terminals_are_safe(self):
        report = look(pvms=[pvm(reason='\x1b[2J' + 2000 * 'x')])
        detail = report['findings'][0]['concerns'][0]['detail']
        assert '\x1b' not in detail and len(detail) < 1000


class TestDrills:

    def test_stale(self):
        assert raised(look(NOW)) == {}
        assert raised(look(LATER)) == {'DRILL_STALE': ['drill']}

    @pytest.mark.parametrize('drilled', [
        None, 'rubbish', '0001-01-01T00:00:00',
        # The clock was wrong then, or is wrong now.
        '2099-01-01T00:00:00', '9999-12-31T23:59:59-23:59'])
    def test_never(self, drilled):
        report = look(budget=budget(drilled_at=drilled))
        assert raised(report) == {'DRILL_STALE': ['drill']}

    def test_nobody_to_drill_with(self):
        assert raised(look(LATER, pvms=[])) == {}


class TestClock:

    def test_not_synchronised(self):
        clock = {'is_synchronised': False, 'needed_for': ['max_outage']}
        assert raised(look(clock=clock)) == {
            'CLOCK_UNSYNCHRONISED': ['max_outage']}

    def test_nothing_needs_it(self):
        clock = {'is_synchronised': False, 'needed_for': []}
        assert raised(look(clock=clock)) == {}


class TestMutes:

    def test_muted(self):
        muted = {'POOL_NOT_DAX': mutes.Mute(FAR, ('/pool',))}
        report = look(medium='tmpfs', muted=muted)
        assert report['health'] == 'OK'
        end = report['findings'][0]['muted_until']
        assert datetime.datetime.fromisoformat(end).timestamp() == FAR
        assert report['mutes'] == {'POOL_NOT_DAX': end}

    def test_the_worst_that_is_not_muted_counts(self):
        muted = {'POOL_UNREADABLE': mutes.Mute(FAR, None)}
        report = look(medium='tmpfs', pool_error='gone', muted=muted)
        assert report['health'] == 'WARN'

    def test_more_than_was_muted(self):
        muted = {'PVM_UNARMED': mutes.Mute(FAR, ('one',))}
        assert look(pvms=[pvm()], muted=muted)['health'] == 'OK'
        report = look(pvms=[pvm(), pvm('two')], muted=muted)
        assert report['health'] == 'CRITICAL'
        assert report['findings'][0]['muted_until'] is None

    def test_not_raised(self):
        report = look(muted={'OUTAGE': mutes.Mute(FAR, None)})
        assert report['findings'] == []
        assert list(report['mutes']) == ['OUTAGE']


def test_away():
    report = health.away('no notifier listens')
    assert report['health'] == 'UNKNOWN'
    finding, = report['findings']
    assert finding['code'] == 'NOTIFIER_AWAY'
    assert finding['concerns'][0]['detail'] == 'no notifier listens'


def test_hosts_that_take_no_new_servers():
    assert {rule.code for rule in health.RULES if rule.refuses} == {
        'POOL_UNREADABLE', 'POOL_MEDIUM', 'CACHES_LOST', 'NVDIMM_NOT_ARMED',
           'POWER_UNHEARD', 'ENGINE_AWAY', 'VAULT_UNREADY'}


def test_each_code_is_documented_once():
    sections = re.findall('^([A-Z_]+)\n-+$', PAGE.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted([*health.CODES, health.AWAY])
