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

import socket
import threading
import urllib.request

import pytest

from nova_temporality.notifier import health
from nova_temporality.notifier import mutes
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import metrics
from tests.framework import status

pytestmark = pytest.mark.native_threads


class Notifier:
    """Stands for daemon.Notifier."""

    sources = status.sound()['sources']
    vault = None
    engine_problem = None

    def __init__(self, path='/nonexistent'):
        self.mutes = mutes.Mutes(str(path))

    def status(self):
        return status.sound(sources=self.sources, pvms=[], vault=self.vault,
                            engine_problem=self.engine_problem)

    def outage_raised_by(self):
        return ()

    def pool_info(self):
        return None


def test_sources():
    notifier = Notifier()
    notifier.sources = [
        {'name': 'nut', 'state': 'lost', 'heard': '2001-09-09T01:46:40+00:00',
         'is_sound': False, 'problem': None, 'detail': 'upsd is away'},
        {'name': 'signal', 'state': 'listening', 'heard': None,
         'is_sound': True}]
    registry = metrics.Metrics(notifier).registry

    def value(name, **labels):
        return registry.get_sample_value('temporality_source_' + name, labels)
    assert value('state', source='nut', state='lost') == 1
    assert value('sound', source='nut') == 0
    assert value('sound', source='signal') == 1
    assert value('heard_time_seconds', source='nut') == 10**9
    assert value('heard_time_seconds', source='signal') is None


def test_health(tmp_path):
    notifier = Notifier(tmp_path / 'mutes')
    registry = metrics.Metrics(notifier).registry

    def value(name='temporality_health', **labels):
        return registry.get_sample_value(name, labels)
    assert value() == 0
    for code in health.CODES:
        assert value('temporality_health_code', code=code) == 0
        assert value('temporality_health_muted', code=code) == 0
    notifier.sources = []
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
    notifier = Notifier()
    notifier.engine_problem = problem
    assert metrics.Metrics(notifier).registry.get_sample_value(
        'temporality_engine_up') == up


def test_busy_port_is_tried_again(monkeypatch, caplog):
    busy = socket.create_server(('127.0.0.1', 0))
    port = busy.getsockname()[1]
    waits, go_on = threading.Event(), threading.Event()

    def sleep(seconds):
        waits.set()
        assert go_on.wait(60)
    monkeypatch.setattr(metrics.time, 'sleep', sleep)
    metrics.Metrics(Notifier()).serve(port)
    error, = (record.getMessage() for record in caplog.records
              if record.levelname == 'ERROR')
    assert 'metrics_port' in error
    assert waits.wait(60)
    busy.close()
    served = threading.Event()
    monkeypatch.setattr(metrics.LOG, 'info', lambda *args: served.set())
    go_on.set()
    assert served.wait(60)
    with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % port,
                                timeout=60) as reply:
        assert b'temporality_outage' in reply.read()


class TestVault:

    @staticmethod
    def values(vault):
        notifier = Notifier()
        notifier.vault = vault
        registry = metrics.Metrics(notifier).registry
        return [registry.get_sample_value('temporality_' + name) for name in (
            'vault_hold_up_seconds', 'vault_unwritten_bytes',
            'vault_bandwidth_bytes', 'predicted_vault_seconds')]

    def test_measured(self):
        assert self.values({
            'path': '/vault', 'hold_up': 60, 'bytes': 4 << 20,
            'mib_per_s': 2.0, 'measured_at': '2026', 'predicted': 2.0,
            'problem': None, 'fits': True}) == [60, 4 << 20, 2 << 20, 2.0]

    def test_never_measured(self):
        assert self.values({
            'path': '/vault', 'hold_up': 60, 'bytes': 0, 'mib_per_s': None,
            'measured_at': None, 'predicted': None, 'problem': 'why',
            'fits': False}) == [60, 0, None, None]

    def test_none(self):
        assert self.values(None) == [None] * 4

    def test_servers(self):
        counters = metrics.Metrics(Notifier())
        counters.on_event(events.OUTAGE_VAULTED, {'vault': {'servers': [
            {'name': 'a', 'durable': '2026'}, {'name': 'b', 'durable': '2026'},
            {'name': 'c', 'durable': None}]}})
        assert [counters.registry.get_sample_value(
            'temporality_vaulted_total', {'result': result})
            for result in ('durable', 'failed')] == [2, 1]
