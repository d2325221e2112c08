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

"""Stock QEMU whose swapped memory cannot be read back."""

import contextlib
import errno
import fcntl
import os
import struct
import subprocess

import pytest

from nova_temporality.qemu import qmp
from nova_temporality import vpm
from tests.framework import machine
from tests.framework import page_table

# EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: from now on EIO.
_SHUTDOWN = 0x8004587d
_NO_LOG_FLUSH = struct.pack('I', 2)


@pytest.fixture
def swap_disk(nvram, tmp_path):
    """A file system of its own for the guests' swap files; its directory."""
    image, directory = tmp_path / 'disk.img', nvram + '/swap'
    with image.open('wb') as f:
        f.truncate(192 << 20)
    subprocess.run(['mkfs.ext4', '-q', '-F', image], check=True)
    os.mkdir(directory, 0o711)
    subprocess.run(['mount', '-o', 'loop', image, directory], check=True)
    os.chmod(directory, 0o711)
    yield directory
    subprocess.run(['umount', directory], check=True)


def _slots(path):
    """Every slot of a swap file: (offset, page)."""
    with open(path, 'rb') as swap:
        for offset in range(0, os.fstat(swap.fileno()).st_size, 4096):
            yield offset, swap.read(4096)


def tear(guest, _other):
    """Flip a bit in every slot."""
    with open(guest.region.swap_path, 'r+b') as swap:
        for offset, page in _slots(guest.region.swap_path):
            swap.seek(offset + 1000)
            swap.write(bytes([page[1000] ^ 1]))
        os.fsync(swap.fileno())


def swap_slots(guest, other):
    """Put the slots of another region in place of this one's."""
    with open(guest.region.swap_path, 'r+b') as swap:
        for _offset, page in _slots(other.region.swap_path):
            swap.write(page)
        os.fsync(swap.fileno())


DAMAGES = {'torn': tear, 'foreign': swap_slots}


def wait_lost(guest):
    """Wait until its QEMU has ended; what it sees until then is right."""
    def ended():
        with contextlib.suppress(qmp.QmpError, AssertionError):
            guest.report().check()
        return guest.process.poll() is not None
    machine.wait_for(ended, 'the end of QEMU')


@pytest.mark.parametrize('damage', sorted(DAMAGES))
def test_damaged_slots_end_their_guest_alone(host, damage):
    guest, other = host.vpm_guest(), host.vpm_guest()
    for one in (guest, other):
        one.boot()
        one.run_rounds(1)
    notifier = host.notifier()
    notifier.protect(guest, other)
    DAMAGES[damage](guest, other)
    wait_lost(guest)
    stats = guest.stats()
    assert stats.fatal and 'torn or foreign: page' in stats.error
    other.run_rounds(1)

    # An outage has nothing to save of it, and nothing to resume.
    assert notifier.state(guest) == 'off'
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'skipped'
    assert machine.outcome(report, other)['result'] == 'fixated'
    host.power_cut()
    assert not guest.proven()
    other.recover()
    other.run_rounds(1)
    assert vpm.check(host.pool.path) == []


def stop_with_frames_free(guest):
    """Stop the vCPUs; wait until the pager has made room."""
    with guest.monitor() as monitor:
        monitor.command('stop')
    machine.wait_for(lambda: guest.stats().in_memory < guest.region.size,
                     'free frames')


def test_swap_disk_that_fails(swap_disk, host, accel):
    guest = host.vpm_guest(accel)
    guest.boot()
    guest.run_rounds(1)
    # With no frame free it would wait for one, and not even try to read.
    stop_with_frames_free(guest)
    descriptor = os.open(swap_disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, _NO_LOG_FLUSH)
    finally:
        os.close(descriptor)
    # That may end QEMU before it answers.
    with (contextlib.suppress(qmp.QmpConnectionError),
          guest.monitor() as monitor):
        monitor.command('cont')
    wait_lost(guest)
    stats = guest.stats()
    # The evictor could not write either, and told so first, perhaps.
    assert stats.fatal and 'read from the swap file' in stats.error
    assert stats.error.endswith(os.strerror(errno.EIO))


def test_server_whose_pages_cannot_be_written_is_not_armed(host, accel):
    """Until its pager has written one."""
    guest = host.vpm_guest(accel)
    guest.boot()
    guest.run_rounds(1)
    stop_with_frames_free(guest)
    notifier = host.notifier()
    notifier.protect(guest)
    page_table.note_error(guest.region, page_table.SWAP_OUT)
    assert notifier.state(guest) == 'not armed'
    seen = notifier.pvm(guest.name)
    assert seen['reason'] == ('a page could not be written to the swap file: '
                              'page 7, slot 9: Input/output error')
    assert 'swap_dir' in seen['remedy']
    with guest.monitor() as monitor:
        monitor.command('cont')
    machine.wait_for(lambda: notifier.state(guest) == 'armed', 'armed again')
    guest.run_rounds(1)
