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


"""temporality health, as far as it depends on what the notifier answers."""

import datetime
import json

import pytest

from nova_temporality.notifier import client
from nova_temporality.notifier import health
from nova_temporality.notifier import mutes
from tests.framework import status

NOW = datetime.datetime.fromisoformat(status.DRILLED_AT)
CALM = mutes.Mute(2e9, None)


@pytest.fixture
def answer(monkeypatch):
    """Have the notifier answer with what is reported of a status."""
    asked = []

    def answer(muted=None, **changes):
        def call(run_dir, operation, timeout=30.0, **arguments):
            asked.append((operation, arguments))
            return health.report(status.sound(**changes), muted or {}, NOW)
        monkeypatch.setattr(client, 'call', call)
        return asked
    return answer


@pytest.mark.parametrize('changes, code, word', [
    ({}, 0, 'OK'), ({'medium': 'tmpfs'}, 1, 'WARN'),
    ({'medium': 'tmpfs', 'sources': []}, 2, 'CRITICAL')])
def test_word_and_exit_code(run, answer, capsys, changes, code, word):
    answer(**changes)
    assert run('health') == code
    assert capsys.readouterr().out.splitlines()[0] == word


@pytest.mark.parametrize('error', [
    client.NotifierDown('start it'), client.NotifierSilent('no answer'),
    client.NotifierError('not a request')])
def test_nobody_can_tell(run, monkeypatch, capsys, error):
    def call(*args):
        raise error
    monkeypatch.setattr(client, 'call', call)
    assert run('health') == 3
    said = capsys.readouterr().out
    assert said.startswith('UNKNOWN\nNOTIFIER_AWAY (UNKNOWN)\n')
    assert str(error) in said


def test_what_is_said_of_a_code(run, answer, capsys):
    answer(medium='tmpfs')
    run('health')
    said = capsys.readouterr().out
    for words in ('POOL_NOT_DAX (WARN)', '/pool: lies on tmpfs', 'emulated',
                  'mounted with DAX'):
        assert words in said


def test_mutes_are_shown_with_their_ends(run, answer, capsys):
    answer({'POOL_NOT_DAX': CALM, 'OUTAGE': CALM}, medium='tmpfs')
    assert run('health') == 0
    said = capsys.readouterr().out
    end = '2033-05-18T03:33:20+00:00'
    assert 'POOL_NOT_DAX (WARN, muted until %s)' % end in said
    assert 'OUTAGE (not raised, muted until %s)' % end in said


def test_json(run, answer, capsys):
    answer(medium='tmpfs')
    assert run('health', '-f', 'json') == 1
    assert json.loads(capsys.readouterr().out) == health.report(
        status.sound(medium='tmpfs'), {}, NOW)


@pytest.mark.parametrize('text, seconds', [
    ('30s', 30), ('90m', 5400), ('2h', 7200), ('366d', mutes.LONGEST)])
def test_mute(run, answer, text, seconds):
    asked = answer()
    assert run('health', 'mute', 'OUTAGE', '--for', text) == 0
    assert asked == [('mute', {'code': 'OUTAGE', 'seconds': seconds})]


@pytest.mark.parametrize('arguments, said', [
    (['OUTAGE', '--for', '2'], "'2' is not a time"),
    (['OUTAGE', '--for', '0h'], "'0h' is not a time"),
    (['OUTAGE', '--for', '367d'], 'at most 366d'),
    (['OUTAGE'], '--for'),
    (['outage', '--for', '2h'], 'POOL_NOT_DAX')])
def test_mute_of_nonsense(run, answer, capsys, arguments, said):
    asked = answer()
    with pytest.raises(SystemExit):
        run('health', 'mute', *arguments)
    assert asked == []
    assert said in capsys.readouterr().err


def test_unmute(run, answer):
    asked = answer()
    assert run('health', 'unmute', 'OUTAGE') == 0
    assert asked == [('unmute', {'code': 'OUTAGE'})]
