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

"""temporality outage report"""

import json

import pytest

from nova_temporality.host import recovery_log
from nova_temporality.notifier.reports import archive
from nova_temporality import vpm
from tests.framework import outages
from tests.framework import pools


@pytest.fixture
def record(created, tmp_path):
    """Have an outage with two servers on record, one of which survived."""
    path = str(tmp_path / 'pool')
    ring = [outages.outcome(1), outages.outcome(2)]
    with vpm.Pool(path) as pool:
        for outcome in ring:
            pools.record(pool, outcome)
    archive.Archive(path + '/outages').store(outages.report_of(*ring))
    recovery_log.append(path, outages.entry(1))
    recovery_log.append(path, outages.entry(
        2, recovery_log.FAILED, 'DiskChanged', 'its disk changed'))


def test_text(run, record, capsys):
    assert run('outage', 'report') == 0
    shown = capsys.readouterr().out
    assert shown.startswith('Outage %s: power failed' % outages.ID)
    assert '1 waiting, 1 survived' in shown
    assert '--accept-disks' in shown


def test_json(run_json, record):
    report = run_json('outage', 'report', outages.ID)
    assert list(report) == [
        'version', 'id', 'is_outage', 'event', 'raised_by', 'source',
        'time', 'called_off', 'budget', 'moments', 'host', 'servers',
        'vault']
    assert report['version'] == 1
    assert report['budget'] == {
        'hold_up_ms': 10.0, 'hold_up_is_of_then': True, 'used_ms': 5.5}
    waiting, survived = report['servers']
    assert list(waiting) == ['name', 'display_name', 'verdict', 'reason',
                             'remedy', 'fixation', 'recovery']
    assert list(waiting['fixation']) == [
        'result', 'command_ms', 'stopped_ms', 'saved_ms', 'fixated_ms',
        'state_size', 'vaulted_ms']
    assert list(survived['recovery']) == [
        'began_s', 'started_s', 'loaded_s', 'running_s', 'ended_s', 'in_vain']
    assert list(report['host']) == ['started_s', 'libvirt_s', 'up_s',
                                    'clock_is_right']
    assert list(report['moments'][0]) == ['since_s', 'time', 'what']


@pytest.mark.parametrize('form,begins', [('html', '<!DOCTYPE html>'),
                                         ('svg', '<svg ')])
def test_files(run, record, tmp_path, capsys, form, begins):
    path = tmp_path / 'report'
    assert run('outage', 'report', '--' + form, str(path)) == 0
    assert path.read_text().startswith(begins)
    assert str(path) in capsys.readouterr().out
    assert run('outage', 'report', '--' + form, '-') == 0
    assert capsys.readouterr().out == path.read_text()


def test_one_form_at_a_time(run, record):
    with pytest.raises(SystemExit):
        run('outage', 'report', '--html', 'x', '--svg', 'y')


def test_file_that_cannot_be_written(run, record, tmp_path, capsys):
    assert run('outage', 'report', '--html', str(tmp_path)) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_unknown_outage(run, record, capsys):
    assert run('outage', 'report', 'nonsense') == 1
    error = capsys.readouterr().err
    assert 'nonsense' in error
    assert outages.ID in error


def test_no_outage(run, created, capsys):
    assert run('outage', 'report') == 1
    assert 'no outage is known' in capsys.readouterr().err


def test_nothing_is_changed(run, record, tmp_path, capsys):
    def files():
        return {path: path.stat().st_mtime_ns
                for path in (tmp_path / 'pool').rglob('*')}

    before = files()
    run('outage', 'report')
    assert files() == before


def test_report_of_an_earlier_version(run_json, record, tmp_path):
    """It has neither a warning nor a hold-up time."""
    [path] = (tmp_path / 'pool' / 'outages').glob('*.json')
    report = json.loads(path.read_text())
    del report['hold_up_ms']
    path.write_text(json.dumps(report))
    assert not run_json('outage', 'report')['budget']['hold_up_is_of_then']
