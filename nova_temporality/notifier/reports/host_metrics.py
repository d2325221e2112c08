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

"""Metrics of the host: its pool, drills, POD driver and release."""

from collections import abc
import contextlib
import datetime
import os
from typing import Any

from prometheus_client import core

from nova_temporality import version
from nova_temporality import vpm

# See pod/README.rst.
_STATISTICS = '/sys/class/misc/pod/statistics'

# Counters of the POD driver.
_COUNTERS = (
    ('events', 'Events of the POD driver'),
    ('nmis', 'NMIs that told of power; one event may be several'),
    ('acknowledged', 'Power failures for which all was saved in time'),
    ('missed', 'Power failures for which nobody said so in time'),
    ('late', 'Power failures for which somebody said so later'),
    ('notifiers_gone', 'Notifiers that closed the POD device, or died'),
    ('signals_failed', 'Signals to notifiers that could not be sent'),
    ('write_backs', 'Times that the CPU caches were written back'),
    ('parks', 'Times that the POD driver parked the CPUs'),
)

# Times of the POD driver, in nanoseconds: its names, and those of the metrics.
_TIMES = (
    ('acknowledge_ns', 'last_acknowledge', 'Time from the last power failure '
     'that was acknowledged in time until all was saved'),
    ('write_back_ns', 'longest_write_back', 'Longest time that the CPU caches '
     'took to be written back'),
    ('park_ns', 'last_park', 'Time that the CPUs were parked for last'),
)


def build() -> core.Metric:
    """Tell the release of the notifier."""
    metric = core.GaugeMetricFamily(
        'temporality_build_info', 'Always 1; the release of the notifier',
        labels=['version'])
    metric.add_metric([version.version()], 1)
    return metric


def pool(info: vpm.PoolInfo) -> abc.Iterator[core.Metric]:
    """Tell how much of the pool is used."""
    yield core.GaugeMetricFamily(
        'temporality_pool_size_bytes', 'Size of the NVRAM pool',
        info.total_size)
    yield core.GaugeMetricFamily(
        'temporality_pool_used_bytes', 'NVRAM that is used, with what is not '
        'scrubbed yet', info.used_size)
    yield core.GaugeMetricFamily(
        'temporality_pool_unscrubbed_bytes', 'NVRAM of deleted servers that '
        'is not scrubbed yet', info.freed_size)


def vault(written: int, missed: int, left: abc.Mapping[str, int],
          slowed: abc.Mapping[str, float]) -> abc.Iterator[core.Metric]:
    """Tell what goes to the pool's vault while servers run.

    :param written: bytes that were written ahead
    :param missed: chunks that were written without the kernel telling of it
    :param left: bytes that are not there yet, by names of pVMs
    :param slowed: seconds for which pVMs were slowed, by their names
    """
    yield core.CounterMetricFamily(
        'temporality_vault_ahead_bytes', 'Memory that was written to the '
        'vault while servers ran', written)
    yield core.CounterMetricFamily(
        'temporality_vault_missed', 'Chunks of memory that were written '
        'without the kernel telling of it', missed)
    seconds = core.CounterMetricFamily(
        'temporality_vault_slowed_seconds', 'Time for which a pVM was slowed, '
        'since it wrote faster than the vault took it', labels=['server'])
    for name, value in sorted(slowed.items()):
        seconds.add_metric([name], value)
    yield seconds
    metric = core.GaugeMetricFamily(
        'temporality_vault_left_bytes', 'Memory that would have to be '
        'written to the vault if the pVM was fixated now, an estimate',
        labels=['server'])
    for name, value in sorted(left.items()):
        metric.add_metric([name], value)
    yield metric


def drill(status: abc.Mapping[str, Any]) -> abc.Iterator[core.Metric]:
    """Tell when the last drill was, and its results.

    :param status: see daemon.Notifier.status()
    """
    instant = core.GaugeMetricFamily(
        'temporality_last_drill_time_seconds', 'When the last drill was, '
        'also of an earlier notifier')
    # The pool may be damaged.
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        instant.add_metric([], datetime.datetime.fromisoformat(
            status['budget']['drilled_at']).timestamp())
    yield instant
    results = core.GaugeMetricFamily(
        'temporality_last_drill_pvms', 'pVMs by result, in the last drill of '
        'this notifier', labels=['result'])
    found = [pvm['result'] for pvm in (status['last_drill'] or {}).get(
        'pvms', ())]
    for result in sorted(set(found)):
        results.add_metric([result], found.count(result))
    yield results


def pod_driver(directory: str = _STATISTICS) -> abc.Iterator[core.Metric]:
    """Tell what the POD driver has seen; nothing where it is not loaded.

    :param directory: where the driver has its statistics
    """
    for name, text in _COUNTERS:
        with contextlib.suppress(OSError, ValueError):
            yield core.CounterMetricFamily(
                'temporality_pod_' + name, text, _statistic(directory, name))
    for name, metric, text in _TIMES:
        with contextlib.suppress(OSError, ValueError):
            yield core.GaugeMetricFamily(
                'temporality_pod_%s_seconds' % metric, text,
                _statistic(directory, name) / 1e9)
    with contextlib.suppress(OSError, ValueError):
        yield core.GaugeMetricFamily(
            'temporality_pod_last_write_back_cpus', 'CPUs that took part when '
            'the caches were written back last',
            _statistic(directory, 'write_back_cpus'))


def _statistic(directory: str, name: str) -> int:
    with open(os.path.join(directory, name), encoding='ascii') as statistic:
        return int(statistic.read(32))
