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

"""The engine goes on without a notifier, and the other way round."""

import os
import signal
import socket

import pytest

from nova_temporality.notifier import client
from nova_temporality.vpm import engine as native
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock
from tests.framework import machine


@pytest.fixture
def units(host):
    """Return what the engine says about its units, by pVM."""
    def ask():
        asked = native.Engine(host.run_dir)
        assert asked.wait_connected(machine.PATIENCE)
        return {unit.region: unit for unit in asked.units()}
    return ask


@pytest.mark.parametrize('number', [44, signal.SIGPWR])
@pytest.mark.parametrize('how', ['kill', 'end'])
def test_power_fails_without_a_notifier(host, how, number):
    host.configure(pod_sources='signal,sigpwr')
    guests = host.booted(), host.booted()
    notifier = host.notifier()
    notifier.protect(*guests)
    getattr(notifier, how)()

    host.engine.process.send_signal(number)

    for guest in guests:
        machine.wait_for(guest.proven, 'it is fixated')
        assert guest.stands_still()
        # Nobody may start it.
        with pytest.raises(runlock.RunLockTimeout):
            runlock.RunLock(guest.region).acquire(0)

    # The next notifier takes the outage over.
    notifier.start()
    status = notifier.call('status')
    assert [pvm['state'] for pvm in status['pvms']] == ['fixated'] * 2
    raised_by = 'signal' if number == 44 else 'sigpwr'
    assert 'an outage is on (raised by %s)' % raised_by in (
        refused(notifier, 'suspend', name=guests[0].name))
    assert {one.name for one in outcomes.read(host.pool)} == {
        guest.name for guest in guests}
    assert [one['result'] for one in notifier.call('resume')] == [
        'resumed'] * 2
    for guest in guests:
        guest.wait_counting()
        assert guest.boots() == 1
        assert notifier.state(guest) == 'armed'
    report = notifier.power_fails()
    assert [one['result'] for one in report['pvms']] == ['fixated'] * 2


def refused(notifier, *args, **kwargs):
    with pytest.raises(client.NotifierError) as e:
        notifier.call(*args, **kwargs)
    return str(e.value)


@pytest.mark.parametrize('how', ['kill', 'end'])
def test_notifier_restarted(host, units, how):
    """What is armed stays so all the time: nothing is armed anew."""
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    before = streams(host)
    unit = units()[guest.region.id]
    assert (unit.state, unit.pid) == (native.ARMED, guest.process.pid)
    getattr(notifier, how)()
    assert units()[guest.region.id] == unit

    notifier.protect(guest)

    assert streams(host) == before
    assert notifier.pvm(guest.name)['route'] == 'migrate'
    notifier.call('refresh')
    assert streams(host) == before
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()
    assert notifier.state(guest) == 'armed'


def streams(host, pid=None):
    """The pipes that the engine holds: each arming has one of its own."""
    directory = '/proc/%d/fd' % (pid or host.engine.process.pid)
    return {link for link in (os.readlink(os.path.join(directory, fd))
                              for fd in os.listdir(directory))
            if link.startswith('pipe:')}


def test_qemu_restarted_without_a_notifier(host, units):
    """The notifier arms what is there now."""
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.kill()
    guest.kill()
    machine.wait_for(lambda: units()[guest.region.id].state != native.ARMED,
                     'it is disarmed')
    guest.boot()

    notifier.protect(guest)

    assert units()[guest.region.id].pid == guest.process.pid
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'


def test_server_deleted_without_a_notifier(host, units):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.kill()
    guest.kill()
    host.pool.free(guest.name)

    notifier.start()

    assert units() == {}


def test_run_lock_of_a_qemu_that_ended_without_a_notifier(host):
    """The call-off gives it back, whoever had it taken."""
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.kill()
    host.engine.process.send_signal(44)
    machine.wait_for(guest.proven, 'it is fixated')
    guest.kill()

    notifier.start()
    with pytest.raises(runlock.RunLockTimeout):
        runlock.RunLock(guest.region).acquire(0)
    notifier.call('resume')

    with runlock.RunLock(guest.region):
        pass
    assert guest.proven()


def test_engine_that_ends_is_told_and_used_again(host, capfd):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    first = notifier.call('status')['pvms']
    host.engine.kill()
    machine.wait_for(lambda: notifier.state(guest) == 'not armed', 'noticed')
    status = notifier.call('status')
    assert status['engine_problem']
    assert status['engine'].startswith('away: ')
    assert 'temporality-engine' in notifier.pvm(guest.name)['reason']
    # A guest that the engine does not protect runs on.
    guest.wait_counting()

    host.engine.ensure(host.config_file)

    machine.wait_for(lambda: notifier.call('status')['pvms'] == first,
                     'armed again')
    assert notifier.call('status')['engine_problem'] is None
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    assert 'The engine is away' in ''.join(capfd.readouterr())


def test_engine_dies_in_a_fixation(host):
    """Another one that is started at once ends it."""
    guest = host.booted()
    notifier = host.notifier(point='after-stop')
    notifier.protect(guest)
    host.engine.process.send_signal(44)
    host.engine.process.wait(machine.PATIENCE)
    host.engine.ensure(host.config_file)

    outage = notifier.outage()

    assert machine.outcome(outage, guest)['result'] == 'fixated'
    assert guest.proven()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()
    assert guest.boots() == 1


def test_engine_is_replaced(host, units):
    """At SIGHUP, as by "systemctl reload"; systemd learns who follows."""
    guest = host.booted()
    path = os.path.join(host.run_dir, 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(machine.PATIENCE)
        host.engine.ensure(host.config_file, NOTIFY_SOCKET=path)
        assert systemd.recv(100) == b'READY=1'
        notifier = host.notifier()
        notifier.protect(guest)
        before = streams(host)

        host.engine.process.send_signal(signal.SIGHUP)

        assert host.engine.process.wait(machine.PATIENCE) == 0
        told = [systemd.recv(100), systemd.recv(100)]
    [pid] = [int(one[8:]) for one in told if one.startswith(b'MAINPID=')]
    try:
        assert streams(host, pid) == before
        assert notifier.state(guest) == 'armed'
        assert notifier.call('status')['engine_problem'] is None
        os.kill(pid, 44)
        outage = notifier.outage()
        assert machine.outcome(outage, guest)['result'] == 'fixated'
        assert notifier.call('resume')[0]['result'] == 'resumed'
        guest.wait_counting()
    finally:
        os.kill(pid, signal.SIGKILL)


def test_call_off_without_an_engine(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    host.engine.kill()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()
    assert not guest.proven()


def test_notifier_starts_without_an_engine(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    notifier.kill()
    host.engine.kill()
    host.engine.ensure = lambda *args: None

    notifier.start()

    assert notifier.pvm(guest.name)['state'] == 'fixated'
    assert 'an outage is on' in refused(notifier, 'suspend', name=guest.name)
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()
    assert notifier.state(guest) == 'not armed'
