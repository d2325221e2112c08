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

"""Notes below run_dir."""

import os

import pytest

from nova_temporality.host import notes
from nova_temporality.host import paths


def test_priority(tmp_path):
    run_dir = str(tmp_path)
    assert notes.read_priority(run_dir, 'pvm') == 50
    notes.write_priority(run_dir, 'pvm', 7)
    assert notes.read_priority(run_dir, 'pvm') == 7
    notes.write_priority(run_dir, 'pvm', 8)
    assert notes.read_priority(run_dir, 'pvm') == 8
    assert notes.read_priority(run_dir, 'other') == 50
    # Of nobody but us, else a server could put itself before others.
    assert os.stat(tmp_path / 'priority').st_mode & 0o777 == 0o700
    assert os.listdir(tmp_path / 'priority') == ['pvm']
    notes.remove_priority(run_dir, 'pvm')
    notes.remove_priority(run_dir, 'pvm')
    assert notes.read_priority(run_dir, 'pvm') == 50


@pytest.mark.parametrize('content', [b'', b'x', b'-1', b'101', b'\xff'])
def test_damaged_priority_is_the_default(tmp_path, content):
    notes.write_priority(str(tmp_path), 'pvm', 7)
    with open(paths.priority_note(str(tmp_path), 'pvm'), 'wb') as note:
        note.write(content)
    assert notes.read_priority(str(tmp_path), 'pvm') == 50


def test_recovering(tmp_path):
    run_dir = str(tmp_path)
    assert not notes.is_recovering(run_dir, 'pvm')
    notes.set_recovering(run_dir, 'pvm', True)
    assert notes.is_recovering(run_dir, 'pvm')
    assert not notes.is_recovering(run_dir, 'other')
    assert os.stat(tmp_path / 'recovering').st_mode & 0o777 == 0o700
    notes.set_recovering(run_dir, 'pvm', False)
    notes.set_recovering(run_dir, 'pvm', False)
    assert not notes.is_recovering(run_dir, 'pvm')


@pytest.mark.parametrize('why', [notes.MOVES, notes.CHANGES,
                                 notes.NOT_ON_RECORD])
def test_moving(tmp_path, why):
    run_dir = str(tmp_path)
    notes.set_moving(run_dir, 'pvm', why)
    assert notes.why_moving(run_dir, 'pvm') == why
    assert notes.why_moving(run_dir, 'other') is None
    assert os.listdir(tmp_path / 'moving') == ['pvm']
    notes.set_moving(run_dir, 'pvm', None)
    notes.set_moving(run_dir, 'pvm', None)
    assert notes.why_moving(run_dir, 'pvm') is None


def test_note_of_a_former_release_says_that_it_moves(tmp_path):
    notes.set_moving(str(tmp_path), 'pvm', notes.CHANGES)
    with open(tmp_path / 'moving' / 'pvm', 'wb'):
        pass
    assert notes.why_moving(str(tmp_path), 'pvm') == notes.MOVES


def test_pending(tmp_path):
    run_dir = str(tmp_path)
    assert notes.pending(run_dir) == {}
    notes.set_pending(run_dir, 'one', '')
    notes.set_pending(run_dir, 'two', 'no volume')
    notes.set_pending(run_dir, 'one', 'no network')
    assert notes.pending(run_dir) == {'one': 'no network',
                                      'two': 'no volume'}
    assert os.stat(tmp_path / 'pending').st_mode & 0o777 == 0o700
    notes.set_pending(run_dir, 'one', None)
    notes.set_pending(run_dir, 'one', None)
    assert notes.pending(run_dir) == {'two': 'no volume'}


def test_note_that_is_not_complete(tmp_path):
    notes.set_pending(str(tmp_path), 'one', '')
    (tmp_path / 'pending/two.new').write_text('no vol')
    assert notes.pending(str(tmp_path)) == {'one': ''}
