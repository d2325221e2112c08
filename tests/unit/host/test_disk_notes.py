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
"""What a pVM's disks were, and whether they still are."""

import dataclasses
import os
import shutil
import threading

import pytest

from nova_temporality.host import disk_notes
from nova_temporality.host import paths
from nova_temporality import vpm

SECOND = 1000000000
FIXATED = 1700000000 * SECOND
QCOW2 = b'QFI\xfb\x00\x00\x00\x03' + bytes(504)


@pytest.fixture
def region():
    return vpm.RegionInfo(
        name='pvm', id=7, sequence=0, size=1, epoch=3, created_ns=5,
        descriptor=0, uid=0, virtual_size=0, page_size=0, policy=None,
        ram_path='/ram', virtual_path='', swap_path='')


def state(epoch=3, wall_ns=FIXATED):
    """A state that took a tenth of a second to make."""
    return vpm.StateInfo(
        epoch=epoch, length=1, persisted_ns=SECOND // 10,
        meta=vpm.FixationMeta(wall_ns=wall_ns, signal_ns=0))


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / 'disk'
    path.write_bytes(QCOW2)
    touch(path, FIXATED - SECOND - 1)
    return path


def touch(path, instant_ns):
    os.utime(path, ns=(instant_ns, instant_ns))


class Host:
    def __init__(self, pool, region):
        self.pool, self.region = str(pool), region

    def take(self, *disks, epoch=3, region=None):
        disk_notes.take(self.pool, region or self.region, epoch,
                        map(str, disks))

    def compare(self, *disks, **values):
        return disk_notes.compare(self.pool, self.region, state(**values),
                                  {str(disk): str(disk) for disk in disks})

    def changed(self, *disks, **values):
        found = self.compare(*disks, **values)
        assert found.noted
        return found.changed


@pytest.fixture
def host(tmp_path, region):
    (tmp_path / 'pool').mkdir()
    return Host(tmp_path / 'pool', region)


def test_nothing_changed(host, disk):
    host.take(disk)
    assert host.changed(disk) == []
    # Owner, label and name are none of its content.
    os.chmod(disk, 0o600)
    os.rename(disk, str(disk) + '.moved')
    os.rename(str(disk) + '.moved', disk)
    assert host.changed(disk) == []
    assert os.listdir(os.path.join(host.pool, 'disks')) == ['pvm']


def test_written_to(host, disk):
    host.take(disk)
    disk.write_bytes(QCOW2)
    changed, = host.changed(disk)
    assert str(disk) in changed and '2023-11-14T22:13:18Z' in changed


def test_backup_put_back_with_its_times(host, disk):
    """The backup is older than the fixation."""
    host.take(disk)
    touch(disk, FIXATED - 3600 * SECOND)
    assert len(host.changed(disk)) == 1


def test_other_header_or_size_under_the_same_time(host, disk):
    host.take(disk)
    before = os.stat(disk).st_mtime_ns
    for content, word in ((QCOW2[:63] + b'\1' + QCOW2[64:], 'header'),
                          (QCOW2 + b'more', 'bytes')):
        disk.write_bytes(content)
        touch(disk, before)
        changed, = host.changed(disk)
        assert word in changed


@pytest.mark.parametrize('unit', [1, 100, 1000, 1000000, SECOND])
def test_copy_that_keeps_times(host, disk, tmp_path, unit):
    """To another file system, that may keep them less exactly."""
    touch(disk, FIXATED - 123456789)
    host.take(disk)
    before = os.stat(disk)
    shutil.copyfile(disk, tmp_path / 'copy')
    os.rename(tmp_path / 'copy', disk)
    touch(disk, before.st_mtime_ns // unit * unit)
    assert os.stat(disk).st_ino != before.st_ino
    assert host.changed(disk) == []


def test_note_of_another_state_does_not_count(host, disk, region):
    host.take(disk, epoch=2)
    touch(disk, FIXATED - 3600 * SECOND)
    assert host.compare(disk) == disk_notes.Comparison([], False)
    # of a region of the same name that was there before
    host.take(disk, region=vpm.RegionInfo(**{
        **vars(region), 'created_ns': 4}))
    assert not host.compare(disk).noted


@pytest.mark.parametrize('content', [b'', b'\xff', b'[]', b'{}', b'{"epoch'])
def test_damaged_note_is_none(host, disk, content):
    host.take(disk)
    with open(paths.disks_note(host.pool, 'pvm'), 'wb') as note:
        note.write(content)
    assert host.compare(disk) == disk_notes.Comparison([], False)


def test_without_a_note_files_must_not_be_younger_than_the_state(host, disk):
    """Power went before there was one."""
    assert host.compare(disk) == disk_notes.Comparison([], False)
    # The file system's clock ticks, and the last request took its time.
    touch(disk, FIXATED + SECOND)
    assert host.compare(disk).changed == []
    touch(disk, FIXATED + 3600 * SECOND)
    changed, = host.compare(disk).changed
    assert '2023-11-14T23:13:20Z' in changed


def test_without_a_note_times_of_other_hosts_say_nothing(host, disk,
                                                         monkeypatch):
    """Their clocks may be ahead."""
    touch(disk, FIXATED + 3600 * SECOND)
    monkeypatch.setattr(disk_notes, '_is_remote', lambda path: True)
    assert host.compare(disk) == disk_notes.Comparison([], False)


def test_file_systems_of_this_host(disk):
    assert not disk_notes._is_remote(str(disk))
    assert not disk_notes._is_remote('/')
    # nobody can tell
    assert disk_notes._is_remote(str(disk) + '.gone')


def test_what_is_no_disk_or_not_there_is_left_out(host, disk, tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    others = [tmp_path / 'pipe', tmp_path, tmp_path / 'gone', '/dev/null',
              str(disk) + '/x']
    host.take(disk, *others)
    assert host.changed(disk, *others) == []


def test_disk_that_came_by_another_name(host, disk, tmp_path):
    host.take(disk)
    os.symlink(disk, tmp_path / 'link')
    touch(disk, FIXATED - 3600 * SECOND)
    assert len(host.changed(tmp_path / 'link')) == 1


def test_disks_are_durable_before_they_are_looked_at(host, disk,
                                                     monkeypatch):
    """Else a power cut could take times back."""
    order = []
    fsync, fstat = os.fsync, os.fstat

    def name(fd):
        return os.path.basename(os.readlink('/proc/self/fd/%d' % fd))

    monkeypatch.setattr(os, 'fsync', lambda fd: (
        order.append(('sync', name(fd))), fsync(fd)))
    monkeypatch.setattr(os, 'fstat', lambda fd: (
        order.append(('look', name(fd))), fstat(fd))[1])
    host.take(disk)
    ours = [what for what, which in order if which == 'disk']
    assert ours[0] == 'sync' and 'look' in ours
    # and the note afterwards, with its directory
    assert ('sync', 'disks') in order


def test_two_at_a_time(host, disk):
    """One may be left over of a fixation that was called off."""
    threads = [threading.Thread(target=host.take, args=(disk,))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert host.changed(disk) == []
    assert os.listdir(os.path.join(host.pool, 'disks')) == ['pvm']


def test_forgotten(host, disk):
    host.take(disk)
    disk_notes.forget(host.pool, 'pvm')
    disk_notes.forget(host.pool, 'pvm')
    assert not host.compare(disk).noted


def test_note_that_comes_late_replaces_no_later_one(host, disk, region):
    """A disk hung while power failed, came back, and failed again."""
    host.take(disk, epoch=4)
    host.take(disk, epoch=3)
    assert host.compare(disk, epoch=4).noted
    # What is left of a region that is gone is none of it.
    anew = dataclasses.replace(region, created_ns=6)
    host.take(disk, epoch=1, region=anew)
    assert not host.compare(disk, epoch=4).noted
    host.region = anew
    assert host.compare(disk, epoch=1).noted
    assert os.listdir(os.path.join(host.pool, 'disks')) == ['pvm']
