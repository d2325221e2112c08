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

"""One pVM is fixated for its tenant, and ends."""

import concurrent.futures

import pytest

from nova_temporality.notifier import client
from nova_temporality.vpm import runlock
from tests.framework import machine


def suspend(notifier, guest):
    return notifier.call('suspend', name=guest.name)


def refused(notifier, name):
    """The notifier's words when it does not suspend a pVM."""
    with pytest.raises(client.NotifierError) as e:
        notifier.call('suspend', name=name)
    return str(e.value)


def test_it_ends_and_runs_on(host, accel):
    guest, other = host.booted(accel), host.booted(accel)
    notifier = host.notifier()
    notifier.protect(guest, other)

    outcome = suspend(notifier, guest)

    assert outcome['result'] == 'fixated'
    assert (0 < outcome['stopped_ms'] < outcome['saved_ms'] <
            outcome['fixated_ms'])
    assert guest.process.wait(machine.PATIENCE) == 0
    assert guest.proven()
    assert notifier.state(guest) == 'off'
    other.wait_counting()
    assert not other.proven()
    # The power may fail now, and the notifier be another one.
    host.power_cut()
    assert guest.proven()
    before = guest.counter()
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before
    assert guest.boots() == 1


def test_outage_after_it_leaves_its_state_alone(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    suspend(notifier, guest)
    with open(guest.state_path(), 'rb') as state:
        saved = state.read()

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'skipped'
    notifier.call('resume')
    with open(guest.state_path(), 'rb') as state:
        assert state.read() == saved
    assert guest.proven()
    with runlock.RunLock(guest.region):
        pass


def test_not_in_an_outage(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    assert 'an outage is on' in refused(notifier, guest.name)
    assert guest.process.poll() is None
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_what_does_not_run_is_left_alone(host):
    paused, off = host.booted(), host.guest()
    with paused.monitor() as monitor:
        monitor.command('stop')
    notifier = host.notifier()
    notifier.protect(paused)
    for guest in paused, off:
        assert 'does not run' in refused(notifier, guest.name)
        with runlock.RunLock(guest.region):
            pass
    assert paused.runstate() == 'paused'
    assert 'nobody' in refused(notifier, 'nobody')
    with pytest.raises(client.NotifierError) as e:
        notifier.call('suspend')
    assert 'not a request' in str(e.value)


def test_one_that_cannot_be_fixated_runs_on(host):
    host.configure(timeout_ms=500)
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(guest)

    assert refused(notifier, guest.name)

    guest.wake()
    guest.wait_counting()
    assert not guest.proven()
    machine.wait_for(lambda: notifier.state(guest) == 'armed', 'armed again')
    assert guest.boots() == 1
    with runlock.RunLock(guest.region):
        pass


@pytest.mark.parametrize('point', ['after-stop', 'after-receive',
                                   'after-commit'])
def test_next_notifier_lets_it_run_on(host, point):
    guest = host.booted()
    notifier = host.notifier([machine.NOTIFIER_AT, point])
    notifier.protect(guest)
    refused(notifier, guest.name)
    notifier.process.wait(machine.PATIENCE)
    assert guest.stands_still()

    notifier = host.notifier()
    notifier.start()

    guest.wait_counting()
    assert not guest.proven()
    assert guest.boots() == 1


def test_qemu_that_takes_long_to_end(host):
    """Some hundred GiB are given back to the kernel page by page."""
    guest = host.booted()
    notifier = host.notifier([machine.NOTIFIER_AT, 'qemu-ends-late'])
    notifier.protect(guest)
    with concurrent.futures.ThreadPoolExecutor() as executor:
        suspended = executor.submit(suspend, notifier, guest)
        machine.wait_for(guest.proven, 'its state')
        try:
            machine.wait_for(lambda: notifier.state(guest) == 'off' or
                             suspended.done(), 'told to quit')
            # The power may fail meanwhile, and come back.
            report = notifier.power_fails()
            assert machine.outcome(report, guest)['result'] == 'skipped'
            notifier.call('resume')
            assert guest.process.poll() is None
            assert not suspended.done()
        finally:
            # The kernel is done with it.
            guest.process.kill()
        assert suspended.result()['result'] == 'fixated'
    assert guest.proven()
    with runlock.RunLock(guest.region):
        pass


def test_power_fails_in_the_midst_of_it(host):
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'power-fails-at-suspend'])
    notifier.protect(guest)

    assert suspend(notifier, guest)['result'] == 'fixated'

    outage = notifier.outage()
    assert machine.outcome(outage, guest)['result'] == 'skipped'
    assert guest.process.wait(machine.PATIENCE) == 0
    host.power_cut()
    assert guest.proven()
    guest.recover()
    guest.wait_counting()
    assert guest.boots() == 1
