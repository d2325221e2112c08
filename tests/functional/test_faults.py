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

"""QEMU hangs, dies, or is started by others, when power fails."""

import pytest

from nova_temporality.qemu import qmp
from nova_temporality.vpm import runlock
from tests.framework import machine

# Much more than a guest that is well takes on a busy machine. One that hangs
# is given up after that time.
_TIMEOUT_MS = 5000


def test_hung_qemu_delays_nobody(host):
    host.configure(timeout_ms=_TIMEOUT_MS)
    hung, sound = host.booted(), host.booted()
    notifier = host.notifier()
    notifier.protect(hung, sound)
    hung.hang()

    report = notifier.power_fails()

    assert machine.outcome(report, sound)['result'] == 'fixated'
    assert machine.outcome(report, sound)['fixated_ms'] < _TIMEOUT_MS
    assert machine.outcome(report, hung)['result'] == 'failed'
    assert machine.outcome(report, hung)['reason']
    host.power_cut()
    assert sound.proven()
    assert not hung.proven()


def test_hung_qemu_wakes_up_after_call_off(host):
    host.configure(timeout_ms=300)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    guest.hang()
    notifier.power_fails()
    assert notifier.state(guest) == 'not armed'
    guest.wake()
    # Perhaps it still executes what it was told at the event.
    machine.wait_for(lambda: notifier.state(guest) in ('armed', 'stopped'),
                     'an answer')
    assert not guest.proven()
    notifier.call('resume')
    guest.wait_counting()
    assert notifier.state(guest) == 'armed'

    host.configure(timeout_ms=20000)
    notifier.end()
    notifier.protect(guest)
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'


def test_qemu_dies_unnoticed(host):
    dead, sound = host.booted(), host.booted()
    host.configure(scan_ms=60000)
    notifier = host.notifier()
    notifier.protect(dead, sound)
    dead.kill()

    report = notifier.power_fails()

    assert machine.outcome(report, sound)['result'] == 'fixated'
    assert machine.outcome(report, dead)['result'] == 'skipped'


def test_qemu_restarted_unnoticed(host):
    guest = host.booted()
    host.configure(scan_ms=60000)
    notifier = host.notifier()
    notifier.protect(guest)
    guest.kill()
    guest.boot()

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'fixated'


def test_guest_started_by_hand_invalidates_its_state(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    assert guest.proven()

    with guest.monitor() as monitor:
        monitor.command('cont')

    machine.wait_for(lambda: not guest.proven(), 'the state is invalidated')
    assert notifier.state(guest) == 'armed'


def test_guest_started_by_hand_just_before_power_fails(host):
    host.configure(scan_ms=60000)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    stale = guest.counter()
    with guest.monitor() as monitor:
        monitor.command('cont')
    guest.wait_counting()

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['fixated_ms']
    machine.wait_for(lambda: guest.runstate() == 'postmigrate', 'the end')
    host.power_cut()
    before = guest.counter()
    assert before > stale
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before


def test_nothing_starts_while_power_fails(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()

    with pytest.raises(runlock.RunLockTimeout):
        runlock.RunLock(guest.region).acquire(0)

    notifier.call('resume')
    with runlock.RunLock(guest.region):
        pass


def test_start_under_way_delays_fixation(host):
    host.configure(timeout_ms=300)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    with runlock.RunLock(guest.region):
        report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'failed'
    assert not guest.proven()


def test_late_answer_does_not_prove_a_state(host):
    """What was given up stays unproven, even if QEMU completes later."""
    host.configure(timeout_ms=500)
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(guest)

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'failed'
    guest.wake()
    machine.wait_for(lambda: notifier.state(guest) == 'stopped', 'reconnect')
    assert not guest.proven()
    assert guest.capabilities() == set()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_second_attempt_knows_that_guest_ran(host):
    host.configure(timeout_ms=_TIMEOUT_MS)
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(guest)
    notifier.power_fails()
    guest.wake()
    machine.wait_for(lambda: notifier.state(guest) == 'stopped', 'reconnect')
    assert guest.runstate() == 'paused'

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'fixated'
    host.power_cut()
    assert guest.recover().meta.runstate == 'running'
    guest.wait_counting()


def test_disconnected_client_is_of_no_use(host):
    guest = host.booted()
    with guest.monitor() as monitor:
        guest.kill()
        with pytest.raises(qmp.QmpConnectionError):
            monitor.command('query-status')
        assert not monitor.connected
