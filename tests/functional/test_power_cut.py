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


"""From the signal to the recovered guest, with real QEMU."""

import os

import pytest

from nova_temporality.host import paths
from tests.framework import machine


def test_guest_survives_power_cut(host, accel):
    guest = host.booted(accel)
    # More than the state file could take.
    content = os.urandom(8 << 20)
    guest.poke(16 << 20, content)
    notifier = host.notifier()
    notifier.protect(guest)

    report = notifier.power_fails()
    host.power_cut()

    outcome = machine.outcome(report, guest)
    assert outcome['result'] == 'fixated'
    assert (0 < outcome['stopped_ms'] < outcome['saved_ms'] <
            outcome['fixated_ms'] <= report['acknowledged_ms'])
    before = guest.counter()
    state = guest.recover()
    assert state.meta.runstate == 'running'
    assert state.length == outcome['state_size']
    guest.wait_counting()
    assert guest.counter() > before > 0
    assert guest.boots() == 1
    assert guest.peek(16 << 20, 8 << 20) == content
    assert guest.capabilities() == set()


def test_many_power_cuts(host):
    guest = host.booted()
    for _ in range(3):
        notifier = host.notifier()
        notifier.protect(guest)
        notifier.power_fails()
        host.power_cut()
        before = guest.counter()
        guest.recover()
        guest.wait_counting()
        assert guest.counter() > before
    assert guest.boots() == 1


def test_all_guests_survive(host):
    guests = [host.booted(vga=number == 0) for number in range(6)]
    notifier = host.notifier()
    notifier.protect(*guests)

    report = notifier.power_fails()
    host.power_cut()

    assert [one['result'] for one in report['pvms']] == ['fixated'] * 6
    for number, guest in enumerate(guests):
        before = guest.counter()
        guest.recover(vga=number == 0)
        guest.wait_counting()
        assert guest.counter() > before
        assert guest.boots() == 1


def test_guest_runs_under_user_id_of_its_region(users_host):
    guest = users_host.guest()
    guest.boot(user=guest.region.uid)
    notifier = users_host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    users_host.power_cut()
    before = guest.counter()
    guest.recover(user=guest.region.uid)
    guest.wait_counting()
    assert guest.counter() > before


def test_paused_guest_stays_paused(host):
    guest = host.booted()
    with guest.monitor() as monitor:
        monitor.command('stop')
    notifier = host.notifier()
    notifier.protect(guest)

    report = notifier.power_fails()
    host.power_cut()

    assert machine.outcome(report, guest)['result'] == 'fixated'
    guest.start('-incoming', 'defer')
    assert guest.load().meta.runstate == 'paused'


def test_loaded_guest_waits_for_cont(host):
    guest, _ = host.fixated()

    # Without -S: what was saved says that it stands still.
    guest.start('-incoming', 'defer')
    guest.load()

    assert guest.runstate() == 'paused'
    assert guest.stands_still()
    assert guest.proven()


def test_loaded_guest_is_left_to_nova_compute(host):
    guest, notifier = host.fixated()
    note = paths.recovering_note(guest.run_dir, guest.name)
    os.makedirs(os.path.dirname(note))
    with open(note, 'w'):
        pass

    guest.start('-incoming', 'defer')
    guest.load()
    notifier.start()
    assert notifier.state(guest) == 'not armed'
    assert 'waits for its state' in notifier.pvm(guest.name)['reason']
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'skipped'
    assert guest.proven()
    notifier.call('resume')

    # nobody holds the run lock
    assert notifier.state(guest) == 'not armed'
    guest.run_on()
    os.unlink(note)
    assert notifier.state(guest) == 'armed'


def test_power_fails_during_recovery(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()

    guest.start('-incoming', 'defer')
    notifier.start()
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'skipped'
    assert 'earlier state' in machine.outcome(report, guest)['reason']
    assert guest.proven()
    notifier.call('resume')

    guest.load()
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    host.power_cut()

    before = guest.counter()
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before


def test_guest_that_has_not_run_is_skipped(host):
    guest = host.guest()
    guest.start(paused=True)
    notifier = host.notifier()
    notifier.start()
    assert notifier.state(guest) == 'not armed'

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'skipped'
    assert not guest.proven()


@pytest.mark.parametrize('started', [False, True])
def test_region_without_qemu_is_skipped(host, started):
    guest = host.booted() if started else host.guest()
    guest.kill()
    notifier = host.notifier()
    notifier.start()
    assert notifier.state(guest) == 'off'

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'skipped'
    assert 'no QEMU' in machine.outcome(report, guest)['reason']
