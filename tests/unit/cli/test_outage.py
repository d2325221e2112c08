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

"""temporality outage list and show."""

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage
from nova_temporality.vault import writing
from nova_temporality import vpm
from nova_temporality.vpm import outcomes
from tests.framework import pools

S = 10**9
FIRST = 10**18
ID = outage.id_of(FIRST)


@pytest.fixture
def record(created, tmp_path):
    """Add an outcome to the pool's ring."""
    def record(name, wall_ns, raised_by, reason=''):
        with vpm.Pool(str(tmp_path / 'pool')) as pool:
            pools.record(pool, outcomes.Outcome(
                name, outcomes.FIXATED, wall_ns=wall_ns, signal_ns=S,
                command_ns=S + 10**6, raised_by=(raised_by,), reason=reason))
    return record


@pytest.fixture
def store(created, tmp_path):
    """Store a report of an outage."""
    def store(wall_ns, *names):
        archive.Archive(str(tmp_path / 'pool' / 'outages')).store(
            outage.report(power.PowerEvent('nut', wall_ns, S, ('nut',)), [
                attempts.PvmReport(name, attempts.FIXATED)
                for name in names], 2 * S))
    return store


def shown(rows):
    return [(row['Server'], row['Outage'], row['Command ms']) for row in rows]


@pytest.mark.parametrize('later', ['drill', 'suspend', 'snapshot'])
def test_other_fixations_do_not_take_its_place(run_json, record, later):
    record('a', FIRST, 'nut')
    record('b', FIRST + S, later)
    assert shown(run_json('outage', 'show')) == [('a', ID, 1.0)]
    assert len(run_json('outage', 'show', '--all')) == 2


def test_what_left_the_ring_is_in_the_report(run_json, record, store):
    record('b', FIRST, 'nut')
    store(FIRST, 'a', 'b')
    assert shown(run_json('outage', 'show')) == [
        ('a', ID, None), ('b', ID, 1.0)]


def test_ring_may_be_ahead(run_json, record, store):
    store(FIRST, 'a')
    record('b', FIRST + S, 'nut')
    assert shown(run_json('outage', 'show')) == [
        ('b', outage.id_of(FIRST + S), 1.0)]
    assert shown(run_json('outage', 'show', ID)) == [('a', ID, None)]


def test_list(run_json, store):
    assert run_json('outage', 'list') == []
    store(FIRST, 'a')
    store(FIRST + S, 'a', 'b')
    first, second = run_json('outage', 'list')
    assert first['Outage'] == ID
    assert '2 fixated' in second['Servers']


def test_unknown_outage(run, store, capsys):
    assert run('outage', 'show', 'nonsense') == 1
    error = capsys.readouterr().err
    assert 'nonsense' in error
    assert 'outage list' in error


def test_words_of_qemu_are_printable(run, record, capsys):
    record('a', FIRST, 'nut', reason='gone\x1b[2J')
    run('outage', 'show', '--all')
    assert '\x1b' not in capsys.readouterr().out


@pytest.mark.parametrize('args', [(), ('--all',)])
def test_vault(run_json, record, tmp_path, args):
    for name in ('a', 'b'):
        record(name, FIRST, 'nut')
    report = outage.report(power.PowerEvent('nut', FIRST, S, ('nut',)), [
        attempts.PvmReport(name, attempts.FIXATED) for name in 'abc'], 2 * S)
    for written in (writing.Written('a', 1), writing.Written('b', 0, 'torn'),
                    writing.Written('c', 0, 'full')):
        report = outage.vaulted(report, written, FIRST + 2 * S)
    archive.Archive(str(tmp_path / 'pool' / 'outages')).store(report)
    rows = {row['Server']: (row['Vault ms'], row['Reason'])
            for row in run_json('outage', 'show', *args)}
    # What the ring does not have is in the report alone.
    assert rows.pop('c', None) == (None if args else (None, 'full'))
    assert rows == {'a': (2000.0, ''), 'b': (None, 'torn')}
