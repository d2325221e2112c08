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
"""Block devices of a pVM: noted, and compared by whatever path."""

import os
import shutil
import subprocess

import pytest

from nova_temporality.host import device_identity
from nova_temporality.host import disk_notes
from nova_temporality import vpm

MIB = 1 << 20

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which('losetup'),
    reason='needs loop devices')


def losetup(*args):
    return subprocess.run(('losetup',) + args, check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


class Volume:
    """A volume, by the names that it has at one boot and at another."""

    def __init__(self, path, size=16 * MIB):
        self.path = path
        with open(path, 'wb') as made:
            made.truncate(size)
        self._devices = []

    def connect(self):
        self._devices.append(losetup('--find', '--show', str(self.path)))
        return self._devices[-1]

    def disconnect(self):
        for device in self._devices:
            losetup('--detach', device)
        self._devices = []

    def write(self, offset, data):
        with open(self.path, 'r+b') as opened:
            opened.seek(offset)
            opened.write(data)


@pytest.fixture
def make(tmp_path):
    made = []

    def make(name='volume', **kwargs):
        made.append(Volume(tmp_path / name, **kwargs))
        return made[-1]

    yield make
    for volume in made:
        volume.disconnect()


@pytest.fixture
def volume(make):
    return make()


class Host:
    def __init__(self, pool):
        self.pool = str(pool)
        self.region = vpm.RegionInfo(
            name='pvm', id=7, sequence=0, size=1, epoch=3, created_ns=5,
            descriptor=0, uid=0, virtual_size=0, page_size=0, policy=None,
            ram_path='/ram', virtual_path='', swap_path='')

    def take(self, *devices):
        disk_notes.take(self.pool, self.region, 3, devices)

    def compare(self, disks):
        return disk_notes.compare(
            self.pool, self.region, vpm.StateInfo(
                epoch=3, length=1, persisted_ns=1,
                meta=vpm.FixationMeta(wall_ns=0, signal_ns=0)), disks)

    def changed(self, former, present):
        found = self.compare({former: present})
        assert found.noted
        return ' '.join(found.changed)


@pytest.fixture
def host(tmp_path):
    (tmp_path / 'pool').mkdir()
    return Host(tmp_path / 'pool')


def test_device_that_is_not_in_the_note(host, volume, make):
    """Nobody has compared it with anything."""
    device, other = volume.connect(), make('other').connect()
    host.take(device)
    assert host.changed(device, device) == ''
    assert 'had no such device' in host.changed(other, other)


def test_device_that_could_not_be_seen(host, volume, tmp_path):
    """The notifier may see less than QEMU."""
    hidden = str(tmp_path / 'hidden')
    host.take(hidden)
    assert host.changed(hidden, volume.connect()) == ''


def test_device_without_a_note(host, volume):
    """Power went before there was one."""
    device = volume.connect()
    assert host.compare({device: device}) == disk_notes.Comparison([], False)


@pytest.fixture
def identities(monkeypatch):
    """Names by device; loop devices have none."""
    names = {}
    monkeypatch.setattr(device_identity, 'of', lambda number: names.get(
        '/dev/loop%d' % os.minor(number)))
    return names


def test_nothing_changed(host, volume):
    device = volume.connect()
    host.take(device)
    assert host.changed(device, device) == ''


def test_another_name_after_the_boot(host, volume):
    """Devices are numbered as they are found."""
    former = volume.connect()
    host.take(former)
    present = volume.connect()
    assert host.changed(former, present) == ''
    volume.write(1080, b'checked')
    assert 'other contents' in host.changed(former, present)


def test_former_name_is_of_another_volume_now(host, volume, make):
    former = volume.connect()
    host.take(former)
    volume.disconnect()
    other = make('other')
    other.write(0, b'of somebody else')
    assert other.connect() == former
    present = volume.connect()
    assert host.changed(former, present) == ''


def test_older_copy_in_its_place(host, volume, make):
    volume.write(1080, b'mounted twice')
    former = volume.connect()
    host.take(former)
    older = make('older')
    older.write(1080, b'mounted once')
    assert 'other contents' in host.changed(former, older.connect())


def test_extended_meanwhile(host, volume):
    former = volume.connect()
    host.take(former)
    volume.disconnect()
    os.truncate(volume.path, 32 * MIB)
    assert host.changed(former, volume.connect()) == ''


def test_shrunk(host, volume):
    former = volume.connect()
    host.take(former)
    volume.disconnect()
    os.truncate(volume.path, 8 * MIB)
    assert 'bytes, not' in host.changed(former, volume.connect())


def test_another_device_with_the_same_contents(host, volume, make, identities):
    """The replica that storage failed over to: perhaps an older one."""
    former, present = volume.connect(), make('other').connect()
    identities.update({former: 'naa.1', present: 'naa.2'})
    host.take(former)
    assert 'naa.2, not naa.1' in host.changed(former, present)


def test_another_path_to_the_same_device(host, volume, identities):
    former, present = volume.connect(), volume.connect()
    identities.update({former: 'naa.1', present: 'naa.1'})
    host.take(former)
    assert host.changed(former, present) == ''
    # on which LVM is now, say
    identities[present] = 'lvm.1'
    assert host.changed(former, present) == ''


def test_file_that_became_a_device(host, volume):
    host.take(str(volume.path))
    assert 'device' in host.changed(str(volume.path), volume.connect())


def test_device_that_cannot_be_read(host, volume, monkeypatch):
    """Its operator may still accept it."""
    device = volume.connect()
    host.take(device)

    def fails(*_args):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(os, 'preadv', fails)
    assert 'Input/output' in host.changed(device, device)
    # Without a note there is nothing to compare.
    disk_notes.forget(host.pool, 'pvm')
    assert host.compare({device: device}) == disk_notes.Comparison([], False)


def test_note_of_an_earlier_release(host, volume):
    device = volume.connect()
    host.take(device)
    path = os.path.join(host.pool, 'disks', 'pvm')
    with open(path) as note:
        text = note.read()
    with open(path, 'w') as note:
        note.write(text.replace('"content"', '"header"'))
    assert host.changed(device, device) == ''
