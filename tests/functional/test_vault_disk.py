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

"""The disk of a drill's vault loses what was not flushed, and nothing else."""

import mmap
import os

import pytest

from nova_temporality.host import durable
from tests.drills import vault_disk

_DATA = b'data' * 1024


class Chance:
    """Everything that may be lost is, or nothing."""

    def __init__(self, is_lost):
        self.random = lambda: 0.0 if is_lost else 1.0


@pytest.fixture
def file_system(tmp_path):
    made = vault_disk.VaultDisk(tmp_path / 'disk')
    yield made
    made.close()


def write(path):
    """Write, not through the page cache; return the file, open."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    with mmap.mmap(-1, len(_DATA)) as buffer:
        buffer.write(_DATA)
        os.pwrite(fd, buffer, 0)
    return fd


def test_what_was_flushed_is_there(file_system):
    path = file_system.path / 'file'
    os.close(write(path))
    durable.sync(str(path))
    file_system.stop()
    file_system.cut(Chance(True))
    assert path.read_bytes() == _DATA


@pytest.mark.parametrize('is_lost', [True, False])
def test_what_only_the_disk_has(file_system, is_lost):
    path = file_system.path / 'file'
    path.write_bytes(bytes(len(_DATA)))
    durable.sync(str(path))
    os.close(write(path))
    file_system.stop()
    _durable, lost = file_system.cut(Chance(is_lost))
    assert bool(lost) == is_lost
    assert path.read_bytes() == (bytes(len(_DATA)) if is_lost else _DATA)
