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

"""The note of what vCPUs could do."""

import os

import pytest

from nova_temporality.host import cpu_notes
from nova_temporality.host import durable
from nova_temporality.host import paths
from nova_temporality import vpm

WORDS = {'7.0 EBX': 0x811}


@pytest.fixture
def pool(tmp_path):
    with vpm.Pool.create(tmp_path / 'pool', total_size=1 << 20,
                         state_size=1 << 20, uid_base=0) as made:
        yield made


@pytest.fixture
def region(pool):
    return pool.alloc('pvm', 4096)


def test_taken_and_forgotten(pool, region):
    assert cpu_notes.read(pool.path, region) == {}
    cpu_notes.take(pool.path, region, WORDS)
    assert cpu_notes.read(pool.path, region) == WORDS
    cpu_notes.take(pool.path, region, {})
    assert cpu_notes.read(pool.path, region) == {}
    cpu_notes.forget(pool.path, region.name)


def test_later_region_of_that_name(pool, region):
    cpu_notes.take(pool.path, region, WORDS)
    pool.free('pvm')
    assert cpu_notes.read(pool.path, pool.alloc('pvm', 4096)) == {}


def test_written_only_if_it_changes(pool, region, monkeypatch):
    cpu_notes.take(pool.path, region, WORDS)
    written = []
    monkeypatch.setattr(durable, 'write',
                        lambda path, _data: written.append(path))
    cpu_notes.take(pool.path, region, WORDS)
    assert written == []
    cpu_notes.take(pool.path, region, {'7.0 EBX': 1})
    assert written == [paths.cpu_note(pool.path, 'pvm')]


@pytest.mark.parametrize('text', ['', 'x', '[]', '{"words": {}}'])
def test_note_that_cannot_be_read(pool, region, text):
    cpu_notes.take(pool.path, region, WORDS)
    path = paths.cpu_note(pool.path, 'pvm')
    assert os.path.exists(path)
    with open(path, 'w') as note:
        note.write(text)
    assert cpu_notes.read(pool.path, region) == {}
