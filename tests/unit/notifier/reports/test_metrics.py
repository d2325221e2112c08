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

"""Metrics of what the notifier knows."""

import pytest

from nova_temporality.notifier import health
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import metrics
from tests.framework import exported
from tests.framework import status

pytestmark = pytest.mark.native_threads


def test_sources():
    notifier = exported.Notifier(sources=[
        {'name': 'nut', 'state': 'lost', 'heard': '2001-09-09T01:46:40+00:00',
         'is_sound': False, 'problem': None, 'detail': 'upsd is away'},
        {'name': 'signal', 'state': 'listening', 'heard': None,
         'is_sound': True}])
    registry = metrics.Metrics(notifier).registry

    def value(name, **labels):
        return registry.get_sample_value('temporality_source_' + name, labels)
    assert value('state', source='nut', state='lost') == 1
    assert value('sound', source='nut') == 0
    assert value('sound', source='signal') == 1
    assert value('heard_time_seconds', source='nut') == 10**9
    assert value('heard_time_seconds', source='signal') is None


def test_health(tmp_path):
    notifier = exported.Notifier(tmp_path / 'mutes')
    registry = metrics.Metrics(notifier).registry

    def value(name='temporality_health', **labels):
        return registry.get_sample_value(name, labels)
    assert value() == 0
    for code in health.CODES:
        assert value('temporality_health_code', code=code) == 0
        assert value('temporality_health_muted', code=code) == 0
    notifier.changes['sources'] = []
    notifier.mutes.mute('OUTAGE', 100, [])
    assert value() == 2
    assert value('temporality_health_code', code='POWER_UNHEARD') == 2
    assert value('temporality_health_muted', code='OUTAGE') == 1
    notifier.mutes.mute('POWER_UNHEARD', 100, ['pod_sources'])
    assert value() == 0
    assert value('temporality_health_code', code='POWER_UNHEARD') == 2
    assert value('temporality_health_muted', code='POWER_UNHEARD') == 1


@pytest.mark.parametrize('problem, up', [(None, 1), ('it has ended', 0)])
def test_engine(problem, up):
    notifier = exported.Notifier(engine_problem=problem)
    assert metrics.Metrics(notifier).registry.get_sample_value(
        'temporality_engine_up') == up


def test_blockers():
    pvms = [dict(status.ARMED, name=name, state=state, code=code)
            for name, state, code in (
                ('a', conditions.NOT_ARMED, conditions.SWAP),
                ('b', conditions.STOPPED, conditions.FIXATION_FAILED),
                ('c', conditions.NOT_ARMED, conditions.SWAP),
                ('d', conditions.NOT_ARMED, None))]
    registry = metrics.Metrics(exported.Notifier(
        pvms=[status.ARMED, *pvms])).registry
    assert {code: registry.get_sample_value('temporality_blocked_pvms',
                                            {'code': code})
            for code in conditions.CODES} == dict.fromkeys(
                conditions.CODES, 0) | {conditions.SWAP: 2,
                                        conditions.FIXATION_FAILED: 1}


class TestVault:

    @staticmethod
    def values(vault):
        registry = metrics.Metrics(exported.Notifier(vault=vault)).registry
        return [registry.get_sample_value('temporality_' + name) for name in (
            'vault_hold_up_seconds', 'vault_unwritten_bytes',
            'vault_bandwidth_bytes', 'predicted_vault_seconds',
            'vault_disk_size_bytes', 'vault_bounded_bytes',
            'vault_room_bytes')]

    def test_measured(self):
        assert self.values(exported.VAULT) == [60, 4 << 20, 2 << 20, 2.0,
                                               1 << 40, 9 << 20, 3 << 20]

    def test_never_measured(self):
        assert self.values(dict(
            exported.VAULT, bytes=0, mib_per_s=None, disk_size=None,
            measured_at=None, predicted=None, problem='why',
            fits=False, bounded=0, room=None)) == [
                60, 0, None, None, None, 0, None]

    def test_none(self):
        assert self.values(None) == [None] * 7

    def test_servers(self):
        counters = metrics.Metrics(exported.Notifier())
        counters.on_event(events.OUTAGE_VAULTED, {'vault': {'servers': [
            {'name': 'a', 'durable': '2026'}, {'name': 'b', 'durable': '2026'},
            {'name': 'c', 'durable': None}]}})
        assert [counters.registry.get_sample_value(
            'temporality_vaulted_total', {'result': result})
            for result in ('durable', 'failed')] == [2, 1]
