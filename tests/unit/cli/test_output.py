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

"""Files that a command writes."""

import os
import stat

import pytest

from nova_temporality.cli import output


def test_new_one(tmp_path):
    path = tmp_path / 'page'
    output.write(str(path), 'text\u2026')
    assert path.read_text() == 'text\u2026'
    # It names servers.
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ['page']


def test_in_this_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output.write('page', 'text')
    assert os.listdir(tmp_path) == ['page']


def test_replaced_as_a_whole(tmp_path):
    path = tmp_path / 'page'
    path.write_text('before')
    os.link(path, tmp_path / 'other')
    output.write(str(path), 'after')
    assert path.read_text() == 'after'
    assert (tmp_path / 'other').read_text() == 'before'


def test_what_is_no_ordinary_file_is_left_alone(tmp_path):
    target = tmp_path / 'target'
    target.write_text('precious')
    (tmp_path / 'link').symlink_to(target)
    os.mkfifo(tmp_path / 'pipe')
    for name in ('link', 'pipe', '.'):
        with pytest.raises(output.NotWritten, match='another path'):
            output.write(str(tmp_path / name), 'text')
    assert target.read_text() == 'precious'
    assert (tmp_path / 'link').is_symlink()
    assert stat.S_ISFIFO((tmp_path / 'pipe').stat().st_mode)


@pytest.mark.parametrize('name', ['no/such/page', 'x' * 300, ''])
def test_what_cannot_be_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(output.NotWritten, match='%s is not written' % name):
        output.write(name, 'text')
    assert os.listdir(tmp_path) == []


def test_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / 'page'
    path.write_text('before')

    def full(_fd):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(output.NotWritten, match='No space left'):
        output.write(str(path), 'after')
    assert path.read_text() == 'before'
    assert os.listdir(tmp_path) == ['page']
