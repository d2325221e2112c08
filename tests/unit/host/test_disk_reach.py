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

"""What is read of disks to find out whether their storage answers."""

import os
from unittest import mock

import pytest

from nova_temporality.host import disk_reach

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def reads(monkeypatch):
    """Descriptors' flags of what is read."""
    opened = []
    real = os.open

    def open_(path, flags, *args):
        opened.append((str(path), flags))
        return real(path, flags & ~os.O_DIRECT, *args)

    with mock.patch.object(os, 'open', open_), \
            mock.patch.object(os, 'preadv', wraps=os.preadv) as preadv:
        yield opened, preadv


def test_past_the_page_cache(tmp_path, reads):
    opened, preadv = reads
    for name in 'ab':
        (tmp_path / name).write_bytes(b'x')
    disk_reach.touch([str(tmp_path / name) for name in 'ab'])
    assert [flags & os.O_DIRECT for _path, flags in opened] == (
        [os.O_DIRECT] * 2)
    assert preadv.call_count == 2


def test_errors_are_answers(tmp_path, reads):
    opened, preadv = reads
    (tmp_path / 'disk').write_bytes(b'x')
    preadv.side_effect = OSError(5, 'EIO')
    disk_reach.touch([str(tmp_path / 'gone'), 'nul\0', str(tmp_path),
                      str(tmp_path / 'disk'), str(tmp_path / 'disk')])
    assert preadv.call_count == 2


def test_what_is_no_disk_is_not_opened(tmp_path, reads):
    opened, _preadv = reads
    os.mkfifo(tmp_path / 'pipe')
    disk_reach.touch([str(tmp_path / 'pipe'), '/dev/null'])
    assert opened == []
