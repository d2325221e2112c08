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

"""What QEMU says of disks that only it can reach, compared with a note."""

import pytest

from nova_temporality.host import disk_notes
from nova_temporality.qemu import remote_disks

A, B = (disk_notes.Disk(4096, content=content) for content in 'ab')


@pytest.fixture
def compare(monkeypatch):
    def compare(noted, found):
        monkeypatch.setattr(disk_notes, 'noted_remote', lambda *_args: noted)
        monkeypatch.setattr(remote_disks, 'sample', lambda *_args: found)
        return remote_disks.compare(None, '/pool', None, 1, 1.0)
    return compare


def test_same(compare):
    assert compare({'vda': A, 'vdb': B}, {'vda': A, 'vdb': B}) == []


def test_another_one(compare):
    changed, = compare({'vda': A, 'vdb': B}, {'vda': A, 'vdb': A})
    assert changed.startswith('vdb: ')


def test_one_that_qemu_does_not_show(compare):
    """Nobody has compared it, so nobody may rely on it."""
    changed, = compare({'vda': A, 'vdb': B}, {'vda': A})
    assert changed.startswith('vdb: ')
