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
"""What the disks of real QEMUs were is noted, and stays so without guests."""

import os
import subprocess

import pytest

from nova_temporality.host import disk_notes
from tests.framework import machine


def compare(host, guest):
    return disk_notes.compare(
        host.pool.path, guest.region,
        host.pool.verify_state(guest.region.id),
        {str(guest.image): str(guest.image)})


def wait_noted(host, guest):
    machine.wait_for(lambda: compare(host, guest).noted, 'the note')


@pytest.fixture(params=['raw', 'qcow2'])
def guest(request, host):
    """A guest that writes to its disk."""
    guest = host.guest(writing=True)
    if request.param == 'qcow2':
        new = str(guest.image) + '.qcow2'
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                        guest.image, new], check=True)
        os.rename(new, guest.image)
        guest.disk = {'driver': 'qcow2', 'file': guest.disk}
    guest.boot()
    return guest


def test_outage(host, guest):
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    wait_noted(host, guest)
    assert compare(host, guest).changed == []

    # A planned end: QEMU closes its disks.
    with guest.monitor() as monitor:
        monitor.command('quit')
    assert guest.process.wait(machine.PATIENCE) == 0
    assert compare(host, guest) == disk_notes.Comparison([], True)

    with open(guest.image, 'r+b') as disk:
        disk.seek(1 << 20)
        disk.write(b'a helpful hand')
    changed, = compare(host, guest).changed
    assert 'not' in changed


def test_suspension(host, guest):
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.call('suspend', name=guest.name)
    assert guest.process.wait(machine.PATIENCE) == 0
    wait_noted(host, guest)
    assert compare(host, guest).changed == []


def test_power_cut_before_the_note(host, guest):
    """The guest's own writes are not taken for somebody else's."""
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()
    disk_notes.forget(host.pool.path, guest.name)  # if there was time for it
    assert compare(host, guest) == disk_notes.Comparison([], False)


def test_drills_leave_no_note(host, guest):
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.call('drill')
    assert not os.path.exists(os.path.join(host.pool.path, 'disks'))


def losetup(*args):
    return subprocess.run(('losetup',) + args, check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture
def connect():
    """Connect an image as a block device; return its path of this boot."""
    made = []

    def connect(image):
        made.append(losetup('--find', '--show', str(image)))
        return made[-1]

    yield connect
    for device in made:
        # as soon as the QEMU has ended that has it open
        losetup('--detach', device)


def test_volume_that_is_a_block_device(host, connect):
    guest = host.guest(writing=True)
    former = connect(guest.image)
    guest.disk = {'driver': 'host_device', 'filename': former}
    guest.cache = {'direct': True}
    guest.boot()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    wait_noted(host, guest)
    host.power_cut()

    def changed():
        found = disk_notes.compare(
            host.pool.path, guest.region,
            host.pool.verify_state(guest.region.id), {former: present})
        assert found.noted
        return found.changed

    # It was another one that the kernel found first.
    present = connect(guest.image)
    assert present != former
    assert changed() == []
    with open(guest.image, 'r+b') as volume:
        volume.seek(1080)
        volume.write(b'a helpful hand')
        os.fsync(volume.fileno())
    assert len(changed()) == 1
