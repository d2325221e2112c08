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

"""QEMU stops a guest when its I/O has ended; a disk may take for ever."""

import os
import signal
import subprocess

import pytest

from tests.framework import machine


class Storage:
    """An NBD server that holds a guest's disk, and survives the power cut."""

    def __init__(self, guest, spawn, *command):
        self._socket = str(guest.image) + '.nbd'
        self.process = spawn([
            one.format(image=guest.image, socket=self._socket)
            for one in command], stderr=subprocess.DEVNULL)
        machine.wait_for(lambda: os.path.exists(self._socket), 'the server')
        guest.disk = {'driver': 'nbd', 'server': {
            'type': 'unix', 'path': self._socket}}

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def hung(host, spawn):
    """A guest whose disk hangs, and two neighbours; all are armed."""
    guest = host.guest(writing=True)
    storage = Storage(guest, spawn, 'qemu-nbd', '--persistent', '--format',
                      'raw', '--socket', '{socket}', '{image}')
    guest.boot()
    neighbours = host.booted(), host.booted(number=10)
    # Enough for the neighbours on a busy machine.
    host.configure(timeout_ms=6000, hold_up_ms=1000)
    notifier = host.notifier()
    notifier.protect(guest, *neighbours)
    storage.hang()
    return guest, storage, neighbours, notifier


def assert_alone(report, guest, neighbours):
    outcome = machine.outcome(report, guest)
    assert outcome['result'] == 'failed'
    assert outcome['reason']
    for one in neighbours:
        assert machine.outcome(report, one)['result'] == 'fixated'


def test_hung_disk_delays_nobody(host, hung):
    guest, _storage, neighbours, notifier = hung
    assert_alone(notifier.power_fails(), guest, neighbours)
    host.power_cut()
    assert not guest.proven()
    for one in neighbours:
        assert one.proven()
        one.recover()
        one.wait_counting()


def test_disk_that_comes_back_after_a_call_off(hung):
    """Nothing was done to its connection, so the guest runs on."""
    guest, storage, neighbours, notifier = hung
    assert_alone(notifier.power_fails(), guest, neighbours)
    results = {one['name']: one['result'] for one in notifier.call('resume')}
    assert [results[one.name] for one in neighbours] == 2 * ['resumed']
    assert results[guest.name] == 'failed'
    assert notifier.state(guest) == 'not armed'

    storage.wake()

    machine.wait_for(lambda: notifier.state(guest) == 'stopped', 'an answer')
    assert not guest.proven()
    notifier.call('resume')
    guest.wait_counting()
    machine.wait_for(lambda: notifier.state(guest) == 'armed', 'armed again')


def test_slow_disk_delays_nobody(host, spawn):
    slow = host.guest(writing=True)
    Storage(slow, spawn, 'nbdkit', '-f', '-U', '{socket}', '--filter=delay',
            'file', '{image}', 'delay-write=4')
    slow.boot()
    neighbour = host.booted()
    notifier = host.notifier()
    notifier.protect(slow, neighbour)
    # The next write has just begun, and is waited for.
    slow.wait_counting()

    report = notifier.power_fails()

    assert (machine.outcome(report, neighbour)['fixated_ms'] <
            machine.outcome(report, slow)['stopped_ms'])
    host.power_cut()
    for guest in slow, neighbour:
        assert guest.proven()
        before = guest.counter()
        guest.recover()
        guest.wait_counting()
        assert guest.counter() > before
