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


"""Power comes back before it was gone, and the notifier may die."""

import pytest

from nova_temporality.notifier import client
from nova_temporality.vpm import runlock
from tests.framework import machine


def test_guest_runs_on_and_is_fixated_again(host, accel):
    guest = host.booted(accel)
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    machine.wait_for(lambda: guest.runstate() == 'postmigrate', 'the end')
    assert guest.stands_still()
    assert guest.capabilities() == set()

    assert notifier.call('resume') == [
        {'name': guest.name, 'result': 'resumed', 'reason': ''}]

    guest.wait_counting()
    assert not guest.proven()
    assert guest.capabilities() == set()
    assert notifier.call('status')['last_outage']['called_off']
    assert notifier.state(guest) == 'armed'
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    assert report['called_off'] is None
    host.power_cut()
    before = guest.counter()
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before
    assert guest.boots() == 1


def test_paused_guest_is_left_alone(host):
    guest = host.booted()
    with guest.monitor() as monitor:
        monitor.command('stop')
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()

    assert notifier.call('resume')[0]['result'] == 'left paused'

    assert guest.stands_still()
    # Its vCPUs did not run, so what was saved is still true.
    assert guest.proven()
    assert notifier.state(guest) == 'armed'
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    notifier.call('resume')
    # nova-compute unpauses it.
    with runlock.RunLock(guest.region), guest.monitor() as monitor:
        guest.pool.begin_epoch(guest.region.id)
        monitor.command('cont')
    guest.wait_counting()
    assert notifier.state(guest) == 'armed'


def test_nothing_to_call_off(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    assert notifier.call('resume') == []

    guest.wait_counting()


@pytest.mark.parametrize('note', ['with-note', 'without-note'])
def test_notifier_restarted_meanwhile(host, note):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    outage = notifier.power_fails()
    notifier.kill()
    if note == 'without-note':
        host.remove_notes()
    notifier.start()

    assert notifier.call('status')['last_outage'] == outage
    assert notifier.state(guest) == 'fixated'
    assert guest.proven()
    with pytest.raises(runlock.RunLockTimeout):
        runlock.RunLock(guest.region).acquire(0)
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()
    assert not guest.proven()
    assert notifier.state(guest) == 'armed'


@pytest.mark.parametrize('point', ['after-note', 'after-fire', 'after-begin',
                                   'after-stop', 'after-migrate',
                                   'after-receive', 'before-commit'])
class TestNotifierDies:
    """Its death leaves a state unproven at every point before the marker."""

    @pytest.fixture
    def guest(self, host, point):
        guest = host.booted()
        notifier = host.notifier([machine.NOTIFIER_AT, point])
        notifier.protect(guest)
        notifier.process.send_signal(44)
        notifier.process.wait(machine.PATIENCE)
        assert not guest.proven()
        return guest

    def test_power_cut(self, host, guest):
        host.power_cut()
        assert not guest.proven()

    def test_call_off(self, host, guest):
        notifier = host.notifier()
        notifier.start()
        notifier.call('resume')
        guest.wait_counting()
        assert guest.capabilities() == set()
        assert notifier.state(guest) == 'armed'
        report = notifier.power_fails()
        assert machine.outcome(report, guest)['result'] == 'fixated'


def test_notifier_dies_after_the_marker(host):
    guest = host.booted()
    notifier = host.notifier([machine.NOTIFIER_AT,
                              'after-commit'])
    notifier.protect(guest)
    notifier.process.send_signal(44)
    notifier.process.wait(machine.PATIENCE)
    host.power_cut()

    before = guest.counter()
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before


def test_state_is_invalid_before_guest_runs(host):
    guest = host.booted()
    notifier = host.notifier([machine.NOTIFIER_AT,
                              'before-cont'])
    notifier.protect(guest)
    notifier.power_fails()
    assert guest.proven()

    with pytest.raises(client.NotifierError):
        notifier.call('resume')
    notifier.process.wait(machine.PATIENCE)

    assert guest.stands_still()
    assert not guest.proven()
    notifier = host.notifier()
    notifier.start()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_power_fails_again_before_call_off(host):
    early = host.booted()
    notifier = host.notifier()
    notifier.protect(early)
    first = notifier.power_fails()
    late = host.booted()
    notifier.call('refresh')

    second = notifier.power_fails()

    assert second['event'] == first['event']
    assert machine.outcome(second, early) == machine.outcome(first, early)
    assert machine.outcome(second, late)['result'] == 'fixated'


def test_signals_in_a_row_are_one_outage(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    guest.hang()
    for _ in range(100):
        host.engine.process.send_signal(44)
    guest.wake()
    outage = notifier.outage()

    notifier.call('resume')

    guest.wait_counting()
    assert notifier.state(guest) == 'armed'
    assert notifier.call('status')['last_outage']['id'] == outage['id']


def test_sigterm_leaves_guests_alone(host):
    guest, fixated = host.booted(), host.booted()
    notifier = host.notifier()
    notifier.protect(guest, fixated)
    notifier.power_fails()
    notifier.call('resume')

    assert notifier.end() == 0

    guest.wait_counting()
    fixated.wait_counting()
