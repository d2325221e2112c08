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

"""Metrics for Prometheus."""

from collections import abc
import contextlib
import datetime
from typing import Any

import prometheus_client
from prometheus_client import core
from prometheus_client import registry

from nova_temporality.host import budget as host_budget
from nova_temporality.notifier import daemon
from nova_temporality.notifier import health
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import host_metrics
from nova_temporality.notifier.sources import state as source_state
from nova_temporality import vpm

_PHASES = ('stopped', 'saved', 'fixated')


class _Present(registry.Collector):
    """What the notifier knows at the moment of the scrape."""

    def __init__(self, notifier: daemon.Notifier) -> None:
        self._notifier = notifier

    def collect(self) -> abc.Iterator[core.Metric]:
        status = self._notifier.status()
        yield from _pvms(status['pvms'])
        yield from _health(health.report(
            status, self._notifier.mutes.active(),
            datetime.datetime.now(datetime.UTC)))
        platform = core.GaugeMetricFamily(
            'temporality_platform', 'Always 1; what saves the contents of the '
            'CPU caches when power fails', labels=['caches'])
        platform.add_metric([status['platform']['caches']], 1)
        yield platform
        yield core.GaugeMetricFamily(
            'temporality_engine_up', 'Whether the engine answers; without it '
            'no pVM is armed', not status['engine_problem'])
        yield core.GaugeMetricFamily(
            'temporality_engine_degraded', 'Whether the engine lacks a right '
            'that it was to use; "temporality status" says which',
            bool(status['engine_lost']))
        yield from _sources(status['sources'])
        yield from _budget(status['budget'])
        yield from _vault(status['vault'])
        yield host_metrics.build()
        yield from host_metrics.drill(status)
        yield from host_metrics.pod_driver()
        info = self._notifier.pool_info()
        if info:
            yield from host_metrics.pool(info)
        if info and info.vault:
            with contextlib.suppress(vpm.VpmError):
                yield from host_metrics.vault(
                    self._notifier.ahead.written, self._notifier.ahead.missed,
                    self._notifier.ahead.left(), self._notifier.bound.slowed)
        yield core.GaugeMetricFamily(
            'temporality_outage', 'Whether an outage is on',
            bool(self._notifier.outage_raised_by()))
        yield core.GaugeMetricFamily(
            'temporality_background_paused', 'Whether background work waits, '
            'because power may fail', bool(status['background_paused']))
        phases = core.GaugeMetricFamily(
            'temporality_pvm_last_fixation_seconds',
            'Time from the event to the end of a phase of the last fixation',
            labels=['server', 'phase'])
        last = status['last_outage']
        outage = core.GaugeMetricFamily(
            'temporality_last_outage', 'Always 1; the id of the last outage '
            'since the host was booted', labels=['outage'])
        if last:
            outage.add_metric([last['id']], 1)
        yield outage
        for pvm in last['pvms'] if last else ():
            for phase in _PHASES:
                if pvm[phase + '_ms'] is not None:
                    phases.add_metric([pvm['name'], phase],
                                      pvm[phase + '_ms'] / 1000)
        yield phases


def _pvms(pvms: abc.Iterable[abc.Mapping[str, Any]]
          ) -> abc.Iterator[core.Metric]:
    armed = core.GaugeMetricFamily(
        'temporality_pvm_armed', 'Whether the pVM can be fixated at any '
        'moment', labels=['server'])
    state = core.GaugeMetricFamily(
        'temporality_pvm_state', 'Always 1; "temporality status" has the '
        'reasons', labels=['server', 'state'])
    blocked = dict.fromkeys(conditions.CODES, 0)
    for pvm in pvms:
        armed.add_metric([pvm['name']], pvm['state'] == conditions.ARMED)
        state.add_metric([pvm['name'], pvm['state']], 1)
        if pvm['code']:
            blocked[pvm['code']] += 1
    yield armed
    yield state
    family = core.GaugeMetricFamily(
        'temporality_blocked_pvms', 'pVMs that cannot be protected, by what '
        'blocks that', labels=['code'])
    for code, count in blocked.items():
        family.add_metric([code], count)
    yield family


def _health(report: health.Report) -> abc.Iterator[core.Metric]:
    yield core.GaugeMetricFamily(
        'temporality_health', 'How the host is: 0 OK, 1 WARN, 2 CRITICAL; '
        'codes that are muted do not count', health.RANKS[report['health']])
    raised = core.GaugeMetricFamily(
        'temporality_health_code', 'Whether a code of "temporality health" is '
        'raised: 0 no, 1 WARN, 2 CRITICAL', labels=['code'])
    muted = core.GaugeMetricFamily(
        'temporality_health_muted', 'Whether a code is muted, as far as it is '
        'raised', labels=['code'])
    findings = {finding['code']: finding for finding in report['findings']}
    for code in health.CODES:
        finding = findings.get(code)
        raised.add_metric([code], health.RANKS[finding['severity']]
                          if finding else 0)
        muted.add_metric([code], bool(finding['muted_until']) if finding
                         else code in report['mutes'])
    yield raised
    yield muted
    pending = findings.get('RECOVERY_PENDING')
    yield core.GaugeMetricFamily(
        'temporality_recoveries_pending', 'pVMs that stand still since an '
        'outage and are not recovered yet',
        len(pending['concerns']) if pending else 0)


def _sources(sources: abc.Iterable[source_state.SourceStatus]
             ) -> abc.Iterator[core.Metric]:
    state = core.GaugeMetricFamily(
        'temporality_source_state', 'Always 1; what the source says of power, '
        '"lost" if it does not see it', labels=['source', 'state'])
    sound = core.GaugeMetricFamily(
        'temporality_source_sound', 'Whether the source is heard as it is '
        'configured; "temporality status" has the reasons',
        labels=['source'])
    heard = core.GaugeMetricFamily(
        'temporality_source_heard_time_seconds', 'When the other end of '
        'the source was heard last', labels=['source'])
    for source in sources:
        state.add_metric([source['name'], source['state']], 1)
        sound.add_metric([source['name']], source['is_sound'])
        if source['heard']:
            heard.add_metric(
                [source['name']],
                datetime.datetime.fromisoformat(source['heard']).timestamp())
    yield state
    yield sound
    yield heard


def _budget(budget: host_budget.BudgetStatus
            ) -> abc.Iterator[core.Metric]:
    yield core.GaugeMetricFamily(
        'temporality_hold_up_seconds', 'Time from the detection of a power '
        'failure until power is gone, as configured',
        budget['hold_up_ms'] / 1000)
    yield core.GaugeMetricFamily(
        'temporality_predicted_fixation_seconds', 'Time that fixating all '
        'pVMs would take, as computed from drills',
        budget['predicted_ms'] / 1000)
    if budget['drilled_ms'] is not None:
        yield core.GaugeMetricFamily(
            'temporality_last_drill_seconds', 'Time that fixating all pVMs '
            'took in the last drill', budget['drilled_ms'] / 1000)


def _vault(vault: abc.Mapping[str, Any] | None) -> abc.Iterator[core.Metric]:
    if vault is None:
        return
    yield core.GaugeMetricFamily(
        'temporality_vault_hold_up_seconds', 'Time that power lasts for '
        'writing servers to the vault, as configured', vault['hold_up'])
    yield core.GaugeMetricFamily(
        'temporality_vault_unwritten_bytes', 'Bytes that would be written to '
        'the vault if power failed now', vault['bytes'])
    if vault['room'] is not None:
        yield core.GaugeMetricFamily(
            'temporality_vault_room_bytes', 'Bytes of memory of servers that '
            'are bounded that may wait to be written to the vault',
            vault['room'])
    yield core.GaugeMetricFamily(
        'temporality_vault_bounded_bytes', 'Memory of servers that are '
        'bounded: the vault has the most of it', vault['bounded'])
    if vault['mib_per_s'] is not None:
        yield core.GaugeMetricFamily(
            'temporality_vault_bandwidth_bytes', 'Bytes that the disk of the '
            'vault takes in a second, as measured',
            vault['mib_per_s'] * (1 << 20))
    if vault['disk_size'] is not None:
        yield core.GaugeMetricFamily(
            'temporality_vault_disk_size_bytes', 'Size of the file system of '
            'the vault', vault['disk_size'])
    if vault['predicted'] is not None:
        yield core.GaugeMetricFamily(
            'temporality_predicted_vault_seconds', 'Time that writing these '
            'bytes would take', vault['predicted'])


class Metrics:
    """Counts events.

    :param notifier: daemon.Notifier
    :ivar registry: of the counters, and of what is known at a scrape
    """

    def __init__(self, notifier: daemon.Notifier) -> None:
        self.registry = registry.CollectorRegistry()
        self.registry.register(_Present(notifier))
        self._power_failures = prometheus_client.Counter(
            'temporality_power_failures',
            'Events for which pVMs were fixated', registry=self.registry)
        self._call_offs = prometheus_client.Counter(
            'temporality_call_offs',
            'Outages that were called off', registry=self.registry)
        self._fixations = prometheus_client.Counter(
            'temporality_fixations', 'pVMs by result, in all outages',
            ['result'], registry=self.registry)
        self._drills = prometheus_client.Counter(
            'temporality_drilled', 'pVMs by result, in all drills',
            ['result'], registry=self.registry)
        self._vaulted = prometheus_client.Counter(
            'temporality_vaulted', 'pVMs by result, in all outages that were '
            'written to the vault to the end', ['result'],
            registry=self.registry)

    def on_event(self, kind: str, data: abc.Mapping[str, Any]) -> None:
        """Count an event; to be subscribed to events.Publisher."""
        if kind == events.OUTAGE_FIXATED:
            self._power_failures.inc()
            for pvm in data['pvms']:
                self._fixations.labels(pvm['result']).inc()
        elif kind == events.OUTAGE_CALLED_OFF:
            self._call_offs.inc()
        elif kind == events.OUTAGE_VAULTED:
            for server in data['vault']['servers']:
                self._vaulted.labels(
                    'durable' if server['durable'] else 'failed').inc()
        elif kind == events.DRILL_ENDED:
            for pvm in data['pvms']:
                self._drills.labels(pvm['result']).inc()
