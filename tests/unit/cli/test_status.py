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

"""temporality status, as far as it depends on what the notifier answers."""

import pytest

from nova_temporality.notifier import client
from tests.framework import pools

SOURCE = {'name': 'nut', 'state': 'good', 'since': '2001', 'heard': '2002',
          'detail': 'UPS rack: OL', 'problem': None, 'remark': None,
          'is_sound': True}
BUDGET = {'predicted_ms': 1.0, 'hold_up_ms': 10, 'not_drilled': 0,
          'drilled_at': None, 'fits': True}


@pytest.fixture
def answer(monkeypatch):
    """What the notifier answers; the status of a sound host."""
    status = {'engine': 'fine', 'engine_problem': None, 'pvms': [],
              'pool_error': None, 'platform': None, 'budget': BUDGET,
              'background_paused': None, 'last_outage': None,
              'last_drill': None, 'sources': [SOURCE]}
    monkeypatch.setattr(client, 'call', lambda *args: status)
    return status


def test_sound(run, answer, capsys):
    assert run('status') == 0
    assert 'nut good since 2001 - UPS rack: OL - last heard 2002' in (
        capsys.readouterr().out)


@pytest.mark.parametrize('changes, words', [
    ({'state': 'lost', 'detail': 'upsd is away', 'is_sound': False},
     'nut lost since 2001 - upsd is away'),
    ({'problem': 'nut_password', 'is_sound': False},
     'PROBLEM: nut_password')])
def test_deaf_host_is_not_sound(run, answer, capsys, changes, words):
    answer['sources'] = [dict(SOURCE, **changes)]
    assert run('status') == 1
    assert words in capsys.readouterr().out


def test_host_without_engine_is_not_sound(run, answer, capsys):
    answer.update(engine='away: it has ended', engine_problem='it has ended')
    assert run('status') == 1
    assert 'away: it has ended' in capsys.readouterr().out


def test_remark_is_shown(run, answer, capsys):
    answer['sources'] = [dict(SOURCE, remark='not signed')]
    assert run('status') == 0
    assert 'not signed' in capsys.readouterr().out


def test_no_sources(run, answer, capsys):
    answer['sources'] = []
    assert run('status') == 0
    assert 'nobody tells' in capsys.readouterr().out


def test_medium_that_the_pool_was_not_made_on(run, answer, created, tmp_path,
                                              capsys, medium):
    assert run('status') == 0
    pools.make_on(tmp_path / 'pool', 'dax' if medium != 'dax' else 'tmpfs')
    assert run('status') == 1
    assert 'PROBLEM: pool' in ' '.join(capsys.readouterr().out.split())


def test_earlier_notifier(run, answer):
    del answer['sources'], answer['engine_problem']
    assert run('status') == 0


def test_json(run_json, answer):
    assert run_json('status')['sources'] == [SOURCE]


VAULT = {'path': '/vault', 'hold_up': 60, 'bytes': 30 << 30,
         'mib_per_s': 1024.0, 'measured_at': '2026', 'predicted': 30.0,
         'problem': None, 'fits': True}


@pytest.mark.parametrize('changes, code, words', [
    ({}, 0, 'in 30.0 of 60 s predicted'),
    ({'bounded': 28 << 30, 'room': (5 << 30) + 77}, 0,
     'of 28 GiB of bounded servers 5 GiB may be left'),
    ({'hold_up': 0}, 0, 'for planned reboots only'),
    ({'predicted': 61.0, 'fits': False}, 1, 'DOES NOT FIT'),
    ({'problem': 'never measured', 'predicted': None, 'fits': False}, 1,
     'PROBLEM: never measured')])
def test_vault(run, answer, capsys, changes, code, words):
    answer['vault'] = VAULT | changes
    assert run('status') == code
    assert words in ' '.join(capsys.readouterr().out.split())


def test_vault_in_json(run_json, answer):
    answer['vault'] = VAULT
    assert run_json('status')['vault'] == VAULT


def test_no_vault(run_json, answer):
    assert run_json('status')['vault'] is None
