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

"""Drills measure what a host's energy budget is about."""

import json

import pytest

from nova_temporality.host import budget
from tests.framework import machine


def test_drill_measures(host):
    guests = [host.booted(), host.booted()]
    notifier = host.notifier()
    notifier.protect(*guests)
    before = notifier.call('status')['budget']
    assert before == {
        'hold_up_ms': 20000, 'predicted_ms': before['predicted_ms'],
        'fits': True, 'not_drilled': 2, 'assumed_ms': 5.0,
        'drilled_ms': None, 'drilled_at': None, 'errors': []}

    report = notifier.call('drill')

    costs = {guest.name: machine.outcome(report, guest)['cost_ms']
             for guest in guests}
    assert all(cost > 0 for cost in costs.values())
    status = notifier.call('status')['budget']
    assert status['not_drilled'] == 0
    assert status['drilled_ms'] == max(
        machine.outcome(report, guest)['fixated_ms'] for guest in guests)
    assert report['forecast'] == {
        'predicted_ms': before['predicted_ms'],
        'taken_ms': status['drilled_ms'], 'not_drilled': 2}
    # It tells what was seen, or more.
    assert status['predicted_ms'] >= round(status['drilled_ms'], 3)
    # Alone, each of them was fixated once more.
    for guest in guests:
        assert guest.pool.lookup(guest.name).epoch == guest.region.epoch + 3
        assert not guest.proven()
        guest.wait_counting()

    notifier.kill()
    notifier = host.notifier()
    notifier.start()
    assert notifier.call('status')['budget'] == status

    # Who is gone, or cannot be drilled, does not spoil it.
    guests[0].kill()
    host.pool.free(guests[0].name)
    new = host.guest()
    machine.wait_for(
        lambda: notifier.call('status')['budget']['not_drilled'] == 1,
        'the new one')
    assert notifier.call('status')['budget']['assumed_ms'] == max(
        costs.values())
    forecast = notifier.call('drill')['forecast']
    assert notifier.call('status')['budget']['errors'] == [
        pytest.approx(forecast['taken_ms'] / forecast['predicted_ms'],
                      abs=0.001)]
    assert set(budget.load(host.pool.path).costs_ms) == {guests[1].name}
    assert new.name not in budget.load(host.pool.path).costs_ms


def test_drill_measures_groups(host):
    guests = [host.booted() for _ in range(4)]
    notifier = host.notifier()
    notifier.protect(*guests)

    notifier.call('drill')

    [curve] = budget.load(host.pool.path).curves
    assert [pvms for pvms, _slowdown in curve] == [2, 4]
    assert all(slowdown > 0 for _pvms, slowdown in curve)
    for guest in guests:
        assert not guest.proven()
        guest.wait_counting()


def test_power_fails_while_one_is_measured(host):
    guests = [host.booted(), host.booted()]
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'power-fails-at-third-resume'])
    notifier.protect(*guests)

    report = notifier.call('drill')

    assert report['forecast'] is None
    assert all(machine.outcome(report, guest)['resumed'] for guest in guests)
    assert None in [machine.outcome(report, guest)['cost_ms']
                    for guest in guests]
    assert budget.load(host.pool.path) == budget.Drilled()
    outage = notifier.outage()
    for guest in guests:
        assert machine.outcome(outage, guest)['result'] == 'fixated'
        notifier.state(guest)
        assert guest.proven()
        assert guest.stands_still()


@pytest.mark.parametrize('damage', [b'', b'\xff', b'[]'])
def test_damaged_record_stops_nobody(host, damage):
    guest = host.booted()
    with open(host.pool.path + '/drills', 'wb') as record:
        record.write(damage)
    notifier = host.notifier()
    notifier.protect(guest)
    assert notifier.call('status')['budget']['not_drilled'] == 1
    notifier.call('drill')
    with open(host.pool.path + '/drills') as record:
        assert guest.name in json.load(record)['costs_ms']
