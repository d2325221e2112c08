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

"""Disks that only QEMU can reach: what they held is noted, and compared.

NBD stands for all of them; QEMU reaches RBD in the same way.
"""

import contextlib
import os
import re
import signal
import subprocess

import pytest

from nova_temporality.host import disk_notes
from nova_temporality.host import paths
from nova_temporality.qemu import nbd
from nova_temporality.qemu import remote_disks
from tests.framework import machine


@pytest.fixture
def storage(host):
    """Serves the guest's disk to QEMU."""
    started = []

    class Storage:
        path = os.path.join(os.path.dirname(host.pool.path), 'nbd.sock')

        def start(self, image):
            self.process = subprocess.Popen(
                ['qemu-nbd', '--persistent', '--format', 'raw', '--cache',
                 'none', '--export-name', 'volume', '--socket', self.path,
                 image])
            started.append(self.process)
            machine.wait_for(self.is_there, 'qemu-nbd')

        def is_there(self):
            assert self.process.poll() is None
            return os.path.exists(self.path)

        def end(self):
            self.process.kill()
            self.process.wait()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    yield Storage()
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def guest(host, storage):
    """A guest that writes to a disk that only QEMU can reach."""
    guest = host.guest(writing=True)
    storage.start(guest.image)
    # With an offset, the format has another name than what it lies on, as it
    # always has on RBD.
    guest.disk = {'driver': 'raw', 'offset': 0, 'file': {
        'driver': 'nbd', 'export': 'volume',
        'server': {'type': 'unix', 'path': storage.path}}}
    guest.boot()
    return guest


def noted(host, guest):
    return disk_notes.noted_remote(
        host.pool.path, guest.region,
        host.pool.verify_state(guest.region.id).epoch)


def changed(host, guest, timeout=machine.PATIENCE):
    """What recovery finds out, before anything runs."""
    with guest.monitor() as monitor:
        found = remote_disks.compare(
            monitor, host.pool.path, guest.region,
            host.pool.verify_state(guest.region.id).epoch, timeout)
    return found


def come_back(guest):
    """Be as far as recovery looks at the disks."""
    guest.start('-incoming', 'defer')
    guest.load()


def test_nobody_wrote(host, guest):
    host.fixate_and_note(guest)
    assert [disk.size for disk in noted(host, guest).values()] == [1 << 20]
    host.power_cut()
    come_back(guest)
    assert changed(host, guest) == []
    guest.run_on()
    guest.wait_counting()


def test_volume_that_was_reverted(host, guest, storage):
    host.fixate_and_note(guest)
    host.power_cut()
    storage.end()
    with open(guest.image, 'r+b') as image:
        image.seek(1080)
        image.write(b'as it was before')
    storage.start(guest.image)
    come_back(guest)
    [what] = changed(host, guest)
    assert 'other contents' in what


def test_another_volume_that_is_smaller(host, guest, storage):
    host.fixate_and_note(guest)
    host.power_cut()
    storage.end()
    os.truncate(guest.image, 1 << 19)
    storage.start(guest.image)
    come_back(guest)
    [what] = changed(host, guest)
    assert '524288 bytes, not 1048576' in what


def test_suspension(host, guest):
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.call('suspend', name=guest.name)
    machine.wait_for(lambda: os.path.exists(
        paths.disks_note(host.pool.path, guest.name)), 'the note')
    assert len(noted(host, guest)) == 1


def test_called_off(host, guest):
    """What it was looked at with is gone, and it runs on."""
    notifier = host.fixate_and_note(guest)
    notifier.call('resume')
    guest.wait_counting()
    with guest.monitor() as monitor:
        assert monitor.command('query-block-exports') == []


def test_storage_that_does_not_answer(host, guest, storage):
    host.fixate_and_note(guest)
    host.power_cut()
    come_back(guest)
    storage.process.send_signal(signal.SIGSTOP)
    try:
        [disk] = noted(host, guest)
        with pytest.raises(nbd.NbdTimeout, match=re.escape(disk)):
            changed(host, guest, timeout=1.0)
        # QEMU still listens.
        assert guest.runstate() == 'paused'
    finally:
        storage.process.send_signal(signal.SIGCONT)
    assert guest.proven()
