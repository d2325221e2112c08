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

"""Alerts fire when they should, and read metrics that there are."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from nova_temporality.notifier import health
from tests.framework import exported

pytestmark = pytest.mark.native_threads

TOP = pathlib.Path(__file__).parents[2]
RULES = TOP / 'etc' / 'prometheus' / 'temporality-rules.yaml'
DASHBOARD = TOP / 'etc' / 'grafana' / 'temporality.json'
PAGES = TOP / 'doc' / 'source'

NEEDS_PROMTOOL = pytest.mark.skipif(not shutil.which('promtool'),
                                    reason='no prometheus')

# Codes that each alert fires for.
CODES = {
    'EngineAway': ['ENGINE_AWAY'],
    'ServerUnarmed': ['PVM_UNARMED'],
    'ServerUnwatched': ['PVM_UNWATCHED'],
    'PowerUnheard': ['POWER_UNHEARD'],
    'PowerSourceLost': ['POWER_SOURCE_LOST'],
    'BudgetExceeded': ['BUDGET_EXCEEDED'],
    'VaultTooSlow': ['VAULT_TOO_SLOW', 'VAULT_UNREADY'],
    'StorageUnsafe': ['POOL_UNREADABLE', 'POOL_MEDIUM', 'CACHES_LOST',
                      'NVDIMM_NOT_ARMED'],
    'DrillFailed': ['DRILL_FAILED'],
    'DrillStale': ['DRILL_STALE'],
    'Outage': ['OUTAGE'],
    'RecoveryPending': ['RECOVERY_PENDING'],
    'HostTrouble': ['ENGINE_DEGRADED', 'POOL_NOT_DAX', 'NVDIMM_TROUBLE',
                    'CLOCK_UNSYNCHRONISED'],
}
# Alerts that no code stands for.
OTHERS = ['NotifierAway', 'FailureMissed', 'VaultWear']
CASES = [(alert, code) for alert, codes in CODES.items() for code in codes]


def rules():
    group, = yaml.safe_load(RULES.read_text())['groups']
    return group['rules']


def check(tmp_path, alert, cases):
    """Have promtool check whether the alert fires after two hours.

    :param cases: pairs of series with their values, and whether it fires;
                  a value may be that of the first minute, and what is added in
                  each that follows
    """
    query = 'count(ALERTS{alertname="Temporality%s", alertstate="firing"})'
    path = tmp_path / 'cases.yaml'
    path.write_text(json.dumps({
        'rule_files': [str(RULES)], 'evaluation_interval': '1m',
        'tests': [{
            'interval': '1m',
            'input_series': [{'series': name, 'values': '%sx130' % value}
                             for name, value in series.items()],
            'promql_expr_test': [{
                'expr': query % alert, 'eval_time': '2h',
                'exp_samples': [{'labels': '{}', 'value': 1}] * fires}]}
            for series, fires in cases]}))
    done = subprocess.run(['promtool', 'test', 'rules', str(path)],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_code_has_its_alert():
    assert sorted(code for _alert, code in CASES) == sorted(health.CODES)
    assert {rule['alert'] for rule in rules()} == {
        'Temporality' + alert for alert in [*CODES, *OTHERS]}


@pytest.mark.parametrize('rule', rules(), ids=lambda rule: rule['alert'])
def test_page(rule):
    assert rule['labels']['severity'] in ('warning', 'critical')
    notes = rule['annotations']
    assert notes['summary'] and notes['description']
    text = (PAGES / (notes['runbook'] + '.rst')).read_text()
    assert rule['alert'] in text.splitlines()


def test_no_page_without_alert():
    pages = {path.stem for path in (PAGES / 'operate/alerts').glob('*.rst')}
    assert pages - {'index'} == {
        pathlib.Path(rule['annotations']['runbook']).name
        for rule in rules()}


@pytest.mark.parametrize('path', [RULES, DASHBOARD],
                         ids=lambda path: path.name)
def test_metrics_are_exported(tmp_path, path):
    names = {sample.name for family in exported.everything(tmp_path)
             for sample in family.samples}
    used = set(re.findall(r'\btemporality_\w+', path.read_text()))
    assert used
    assert used <= names


def panels():
    return json.loads(DASHBOARD.read_text(encoding='utf-8'))['panels']


def test_panels_do_not_overlap():
    places = [(panel['gridPos']['x'], panel['gridPos']['y'])
              for panel in panels()]
    assert len(set(places)) == len(places)
    assert {(panel['gridPos']['w'], panel['gridPos']['h'])
            for panel in panels()} == {(12, 8)}
    assert len({panel['id'] for panel in panels()}) == len(places)


@NEEDS_PROMTOOL
def test_panels_can_be_evaluated(tmp_path):
    path = tmp_path / 'rules.yaml'
    expressions = [target['expr'].replace('$__range', '6h')
                   for panel in panels() for target in panel['targets']]
    path.write_text(json.dumps({'groups': [{'name': 'panels', 'rules': [
        {'record': 'panel:%d' % number, 'expr': expression}
        for number, expression in enumerate(expressions)]}]}))
    done = subprocess.run(['promtool', 'check', 'rules', str(path)],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
@pytest.mark.parametrize('alert, code', CASES)
def test_code_fires(tmp_path, alert, code):
    raised = 'temporality_health_code{instance="a", code="%s"}' % code
    muted = 'temporality_health_muted{instance="a", code="%s"}' % code
    check(tmp_path, alert, [({raised: 1, muted: 0}, True),
                            ({raised: 0, muted: 0}, False),
                            ({raised: 1, muted: 1}, False)])


@NEEDS_PROMTOOL
def test_notifier_away(tmp_path):
    series = 'up{job="temporality", instance="a"}'
    check(tmp_path, 'NotifierAway', [({series: 0}, True),
                                     ({series: 1}, False)])


@NEEDS_PROMTOOL
def test_failure_missed(tmp_path):
    series = 'temporality_pod_missed_total{instance="a"}'
    check(tmp_path, 'FailureMissed', [({series: '0+1'}, True),
                                      ({series: 7}, False)])


@NEEDS_PROMTOOL
def test_vault_wear(tmp_path):
    """A disk of 1000 bytes; so many are written in a minute."""
    written = 'temporality_vault_ahead_bytes_total{instance="a"}'
    size = 'temporality_vault_disk_size_bytes{instance="a"}'
    check(tmp_path, 'VaultWear', [({written: '0+20', size: 1000}, True),
                                  ({written: '0+2', size: 1000}, False)])
