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

"""Metrics of the host."""

import pytest

from nova_temporality.notifier.reports import host_metrics
from nova_temporality import version
from nova_temporality import vpm
from tests.framework import status

pytestmark = pytest.mark.native_threads


def samples(metrics):
    return {(sample.name, *sample.labels.values()): sample.value
            for metric in metrics for sample in metric.samples}


def test_build():
    assert samples([host_metrics.build()]) == {
        ('temporality_build_info', version.version()): 1}


def test_pool(tmp_path):
    path = str(tmp_path / 'pool')
    with vpm.Pool.create(path, total_size=64 << 20) as pool:
        info = pool.info()
    assert samples(host_metrics.pool(info)) == {
        ('temporality_pool_size_bytes',): info.total_size,
        ('temporality_pool_used_bytes',): 0,
        ('temporality_pool_unscrubbed_bytes',): 0}


def test_vault():
    assert samples(host_metrics.vault(3, 1, {'a': 2, 'b': 0},
                                      {'a': 1.5})) == {
        ('temporality_vault_ahead_bytes_total',): 3,
        ('temporality_vault_missed_total',): 1,
        ('temporality_vault_slowed_seconds_total', 'a'): 1.5,
        ('temporality_vault_left_bytes', 'a'): 2,
        ('temporality_vault_left_bytes', 'b'): 0}


def test_drill():
    sound = status.sound(last_drill={'pvms': [
        {'result': 'fixated'}, {'result': 'failed'}, {'result': 'fixated'}]})
    assert samples(host_metrics.drill(sound)) == {
        ('temporality_last_drill_time_seconds',): 1767225600,
        ('temporality_last_drill_pvms', 'fixated'): 2,
        ('temporality_last_drill_pvms', 'failed'): 1}


@pytest.mark.parametrize('drilled_at', [None, 'nonsense'])
def test_no_drill(drilled_at):
    sound = status.sound()
    sound['budget'] = dict(sound['budget'], drilled_at=drilled_at)
    assert samples(host_metrics.drill(sound)) == {}


def test_pod_driver(tmp_path):
    (tmp_path / 'late').write_text('3\n')
    (tmp_path / 'parks').write_text('nonsense\n')
    (tmp_path / 'write_back_ns').write_text('2500000\n')
    (tmp_path / 'write_back_cpus').write_text('4\n')
    assert samples(host_metrics.pod_driver(str(tmp_path))) == {
        ('temporality_pod_late_total',): 3,
        ('temporality_pod_longest_write_back_seconds',): 0.0025,
        ('temporality_pod_last_write_back_cpus',): 4}
