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

"""A tenant's files do not let the host copy without end, or fill its disk."""

import collections
import errno
import fcntl
import os
from unittest import mock

import pytest

from nova_temporality.snapshot import error
from nova_temporality.snapshot import files
from nova_temporality.snapshot import machine
from nova_temporality.snapshot import making
from nova_temporality.snapshot import saving
from nova_temporality.snapshot import space
from tests.unit.snapshot import conftest

MIB = 1 << 20
GIB = 1 << 30

# It would be read for months.
pytestmark = pytest.mark.timeout(60)

Status = collections.namedtuple('Status', 'f_frsize f_blocks f_bavail')


def file_system(monkeypatch, name, free, total=100 * GIB):
    """What is asked of file systems says this from now on."""
    monkeypatch.setattr(os, name, lambda *_args: Status(
        4096, total // 4096, free // 4096))


def refused_at_once(server, words):
    """It is refused while the server runs."""
    copy = mock.Mock()
    with pytest.raises(error.SnapshotError, match=words):
        making.make(server.snapshot(), server.domain.read_text, copy,
                    conftest.SIZE, server.disk_size)
    assert not copy.called
    assert server.condition() == {}


# -- how much ----------------------------------------------------------------

def test_disk_beyond_the_flavor(server):
    server.disk_size = GIB
    os.truncate(server.disks[1], 1 << 50)
    # The numbers, and what to do.
    refused_at_once(server, '1073741824 MiB.*1152 MiB.*flavor.*resize')


def test_disk_beyond_its_file_system(server):
    """The flavor has no root disk, so its image's size counts."""
    os.truncate(server.disks[1], 1 << 62)
    refused_at_once(server, 'flavor')


def test_disk_of_its_flavors_size(server):
    server.disk_size = GIB
    os.truncate(server.disks[0], GIB)
    server.make()
    assert server.snapshot().manifest()['files']['disk-0']['size'] == GIB


def test_file_that_a_disk_rests_on(server):
    base = server.top / 'base'
    base.touch()
    os.truncate(base, 1 << 50)
    server.disk_size = GIB
    with mock.patch.object(machine, 'examine', return_value=machine.Machine(
            None, 1, [], [], [str(base)])):
        refused_at_once(server, 'base has 1073741824 MiB')


def test_disk_that_grows_when_it_was_looked_at(server):
    server.disk_size = GIB

    def copy(directory, disks, at_most):
        os.truncate(server.disks[0], 1 << 50)
        return saving.save(server.pool, server.region, directory, disks,
                           at_most)

    with pytest.raises(error.SnapshotError, match='should have'):
        making.make(server.snapshot(), server.domain.read_text, copy,
                    conftest.SIZE, server.disk_size)
    assert server.condition() == {}


def test_chain_without_an_end(tmp_path):
    path = tmp_path / '0'
    path.touch()

    def examine(now, kind):
        follower = tmp_path / str(int(os.path.basename(now)) + 1)
        follower.touch()
        return {'full-backing-filename': str(follower),
                'backing-filename-format': 'qcow2'}

    with mock.patch.object(machine, '_examine', side_effect=examine):
        with pytest.raises(error.SnapshotError, match='more than 32 files'):
            machine._backing(str(path))


# -- where to ----------------------------------------------------------------

def test_no_room(server, monkeypatch):
    os.posix_fallocate(os.open(server.disks[0], os.O_RDWR), 0, 4 * MIB)
    # 1 GiB is left to others.
    file_system(monkeypatch, 'statvfs', GIB + 4 * MIB)
    refused_at_once(server, 'needs up to 5 MiB.*1028 MiB are free.*1024')


def test_room_that_is_enough(server, monkeypatch):
    file_system(monkeypatch, 'statvfs', GIB + 4 * MIB)
    server.make()


def test_small_file_system(monkeypatch):
    """A part of it is left, not all."""
    file_system(monkeypatch, 'statvfs', 60 * MIB, total=100 * MIB)
    space.check_room('/', 55 * MIB)
    with pytest.raises(error.SnapshotError, match='5 are left'):
        space.check_room('/', 56 * MIB)


def test_file_system_that_fills_meanwhile(server, monkeypatch):
    file_system(monkeypatch, 'fstatvfs', GIB - 1)
    with pytest.raises(error.SnapshotError, match='filled'):
        server.make()
    assert server.condition() == {}


def test_no_room_for_the_disks_that_are_put_back(server, monkeypatch):
    server.make()
    server.be_stopped()
    before = server.everything()
    file_system(monkeypatch, 'statvfs', GIB)
    with pytest.raises(error.SnapshotError, match='Make room'):
        server.load()
    assert server.everything() == before
    assert not server.unfinished()


def cloning(result):
    return mock.patch.object(fcntl, 'ioctl', side_effect=[result])


def test_clones_take_none(server):
    path, directory = str(server.disks[0]), str(server.top)
    server.disks[0].write_bytes(b'x' * MIB)
    with cloning(0):
        assert files.room_needed(path, directory) == 0
    with cloning(OSError(errno.EXDEV, 'another file system')):
        assert files.room_needed(path, directory) == MIB
    with cloning(OSError(errno.EIO, 'broken')), pytest.raises(OSError):
        files.room_needed(path, directory)


def test_holes_take_none(server):
    os.truncate(server.disks[0], 1 << 40)
    assert files.room_needed(
        str(server.disks[0]), str(server.top)) < MIB
