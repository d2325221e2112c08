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


import json
import os
import types

import pytest

from nova_temporality.host import nvdimms as host_nvdimms
from nova_temporality.host import paths
from nova_temporality.notifier.pvm import nvdimms
from tests.framework import pools


@pytest.fixture
def pool(tmp_path):
    with pools.create(str(tmp_path / 'pool')) as made:
        yield made


@pytest.fixture
def platform():
    return types.SimpleNamespace(is_dram=False, nvdimms=[
        host_nvdimms.Nvdimm('nmem0', 'a', dirty_shutdowns=4)])


@pytest.fixture
def counters(pool, platform):
    return nvdimms.Counters(pool, pool.alloc('pvm', 4096), platform)


def noted(pool):
    """Epoch and counters of the note; None if there is none."""
    path = paths.nvdimms_note(pool.path, 'pvm')
    if not os.path.exists(path):
        return None
    with open(path) as stream:
        note = json.load(stream)
    return note['epoch'], note['dirty_shutdowns']


def test_noted_for_the_epoch_to_come(pool, counters):
    counters.note()
    assert noted(pool) == (pool.lookup('pvm').epoch, {'a': 4})
    pool.begin_epoch(pool.lookup('pvm').id)
    counters.note()
    assert noted(pool) == (pool.lookup('pvm').epoch, {'a': 4})


def test_written_once(pool, counters):
    counters.note()
    os.unlink(paths.nvdimms_note(pool.path, 'pvm'))
    counters.note()
    assert noted(pool) is None


def test_none_there(pool, counters, platform):
    platform.nvdimms = []
    counters.note()
    assert noted(pool) is None


def test_tried_again_after_an_error(pool, counters):
    blocked = os.path.dirname(paths.nvdimms_note(pool.path, 'pvm'))
    with open(blocked, 'w'):
        counters.note()
    os.unlink(blocked)
    counters.note()
    assert noted(pool) is not None


def test_in_dram_the_boot_is_noted(pool, counters, platform):
    platform.nvdimms = []
    platform.is_dram = True
    counters.note()
    assert noted(pool) == (pool.lookup('pvm').epoch, {})
