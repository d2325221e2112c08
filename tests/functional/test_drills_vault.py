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

"""Drills of a host with a vault find what they are there to find."""

import dataclasses
import pathlib
import random

import pytest

from tests.drills import __main__ as command
from tests.drills import plan
from tests.drills import rounds

_PROVEN = plan.Round(
    kind=plan.VAULT, run_s=0, event=plan.NOTHING, event_s=0, lead_s=0,
    by=plan.POD, since=plan.PROVEN, dark_ms=0, again='', again_s=0,
    put_back='')


@pytest.fixture(scope='module')
def host():
    with command.with_vault() as host:
        yield host


def verdicts(host, **changes):
    found = host.run(dataclasses.replace(_PROVEN, **changes),
                     random.Random(0))
    return [each.verdict for each in found]


def after_restoring(host, monkeypatch, action):
    restore = host._restore

    def wrapper():
        restore()
        action()

    monkeypatch.setattr(host, '_restore', wrapper)


def test_damaged_memory_is_found(host, monkeypatch):
    def damage():
        for server in host._servers:
            # Half of its memory: that is never all of one kind.
            half = server.region.size // 2
            server.poke(half, b'\xa5' * half)

    after_restoring(host, monkeypatch, damage)
    assert verdicts(host) == [rounds.LOST] * 2


def test_server_that_is_not_in_the_vault_is_found(host, monkeypatch):
    restore = host._restore

    def lose():
        for path in pathlib.Path(host._vault).glob('servers/*.manifest'):
            path.unlink()
        restore()

    monkeypatch.setattr(host, '_restore', lose)
    assert verdicts(host) == [rounds.LOST] * 2


def test_server_that_could_run_twice_is_found(host, monkeypatch):
    monkeypatch.setattr(rounds, 'cut_off', lambda server, one: None)
    assert verdicts(host, again=plan.RUNNING) == [rounds.LOST] * 2
