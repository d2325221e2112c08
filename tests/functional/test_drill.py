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


"""Drills harm nobody, whatever happens in the midst of one."""

import pytest

from nova_temporality.notifier import client
from nova_temporality.vpm import runlock
from tests.framework import machine
from tests.framework import upsd


def test_drill(host, accel):
    guest = host.booted(accel)
    notifier = host.notifier()
    notifier.protect(guest)
    for _ in range(3):
        before = guest.counter()
        epoch = guest.pool.lookup(guest.name).epoch

        report = notifier.call('drill')

        outcome = machine.outcome(report, guest)
        assert outcome['result'] == 'fixated'
        assert outcome['resumed'] is True
        assert outcome['state_size'] > 0
        assert (0 < outcome['stopped_ms'] < outcome['saved_ms'] <
                outcome['fixated_ms'])
        guest.wait_counting()
        assert guest.counter() > before
        assert guest.pool.lookup(guest.name).epoch == epoch + 1
        assert not guest.proven()
        assert guest.capabilities() == set()
        with runlock.RunLock(guest.region):
            pass
    assert guest.boots() == 1
    status = notifier.call('status')
    assert status['last_outage'] is None
    assert status['last_drill'] == report
    assert notifier.state(guest) == 'armed'


def test_refused_in_an_outage(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    with pytest.raises(client.NotifierError) as e:
        notifier.call('drill')
    assert 'temporality resume' in str(e.value)
    assert guest.proven()
    assert guest.stands_still()


def test_refused_when_a_source_warns(host):
    ups = upsd.Upsd('OB')
    host.configure(pod_sources='nut', nut_ups='rack', nut_port=ups.port,
                   nut_poll_interval_ms=10)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    def refused():
        try:
            notifier.call('drill')
        except client.NotifierError as e:
            return 'may fail' in str(e)
    machine.wait_for(refused, 'refused')
    ups.status = 'OL'
    machine.wait_for(lambda: not refused(), 'not refused any more')
    ups.close()
    guest.wait_counting()


def test_those_that_do_not_run_are_left_alone(host):
    paused, off = host.booted(), host.guest()
    with paused.monitor() as monitor:
        monitor.command('stop')
    notifier = host.notifier()
    notifier.protect(paused)

    report = notifier.call('drill')

    for guest in paused, off:
        assert machine.outcome(report, guest)['result'] == 'skipped'
        assert machine.outcome(report, guest)['resumed'] is None
        with runlock.RunLock(guest.region):
            pass
    assert paused.runstate() == 'paused'


def test_hung_qemu_runs_on_when_it_can(host):
    # Enough for the other one on a busy machine.
    host.configure(timeout_ms=5000)
    hung, sound = host.booted(), host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(hung, sound)

    report = notifier.call('drill')

    results = {one['name']: one for one in report['pvms']}
    assert sorted(one['result'] for one in results.values()) == [
        'failed', 'fixated']
    if results[hung.name]['result'] == 'fixated':  # the other one hung
        hung, sound = sound, hung
    sound.wait_counting()
    hung.wake()
    hung.wait_counting()
    assert not hung.proven()
    machine.wait_for(lambda: notifier.state(hung) == 'armed', 'armed again')
    assert hung.capabilities() == set()
    with runlock.RunLock(hung.region):
        pass


@pytest.mark.parametrize('point', ['after-stop', 'after-receive',
                                   'after-commit', 'before-cont'])
def test_next_notifier_ends_it(host, point):
    guest = host.booted()
    notifier = host.notifier([machine.NOTIFIER_AT, point])
    notifier.protect(guest)
    with pytest.raises(client.NotifierError):
        notifier.call('drill')
    notifier.process.wait(machine.PATIENCE)
    assert guest.stands_still()

    notifier = host.notifier()
    notifier.start()

    guest.wait_counting()
    assert not guest.proven()
    assert guest.capabilities() == set()
    machine.wait_for(lambda: notifier.state(guest) == 'armed', 'armed again')


@pytest.mark.parametrize('point', ['after-stop', 'after-commit'])
def test_cut_in_the_midst_of_it(host, point):
    guest = host.booted()
    notifier = host.notifier([machine.NOTIFIER_AT, point])
    notifier.protect(guest)
    with pytest.raises(client.NotifierError):
        notifier.call('drill')
    host.power_cut()
    assert guest.proven() == (point == 'after-commit')
    if guest.proven():
        before = guest.counter()
        guest.recover()
        guest.wait_counting()
        assert guest.counter() > before


def test_power_fails_in_the_midst_of_it(host):
    """A later outage takes over what the drill has stopped."""
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'power-fails-at-verify'])
    notifier.protect(guest)

    report = notifier.call('drill')

    assert machine.outcome(report, guest)['resumed'] is False
    outage = notifier.outage()
    assert machine.outcome(outage, guest)['result'] == 'fixated'
    notifier.state(guest)
    assert guest.stands_still()
    assert guest.proven()
    # The next notifier does not take it for a drill either.
    notifier.kill()
    notifier = host.notifier()
    notifier.start()
    notifier.state(guest)
    assert guest.stands_still()
    assert guest.proven()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_outage_keeps_what_a_drill_could_not_end(host):
    host.configure(timeout_ms=500)
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(guest)
    notifier.call('drill')
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'failed'

    guest.wake()

    machine.wait_for(lambda: notifier.state(guest) == 'stopped', 'reconnect')
    assert guest.stands_still()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_periodic(host):
    host.configure(drill_interval=1)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    first = machine.wait_for(lambda: notifier.call('status')['last_drill'],
                             'a drill')
    second = machine.wait_for(
        lambda: (lambda last: last != first and last)(
            notifier.call('status')['last_drill']), 'another one')
    assert machine.outcome(second, guest)['result'] == 'fixated'
    guest.wait_counting()
