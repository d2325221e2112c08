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
"""Storage that does not answer keeps no thread of the privileged side."""

import threading

import pytest

from nova_temporality.host import disk_notes
from nova_temporality.privsep import looking
from nova_temporality.privsep import regions
from nova_temporality import vpm
from tests.framework import pools

_PATIENCE = 30


class Storage:
    """Answers when it is told to."""

    def __init__(self):
        self.answers = threading.Event()
        self.begun = []
        self.threads = []

    def look(self):
        self.begun.append(len(self.begun))
        self.threads.append(threading.current_thread())
        assert self.answers.wait(_PATIENCE)
        return self.begun[-1]

    def poll(self, token):
        return looking.poll('pvm', token, self.look)

    def answer(self):
        self.answers.set()
        for thread in self.threads:
            thread.join(_PATIENCE)


@pytest.fixture
def storage():
    made = Storage()
    yield made
    made.answer()
    looking._looks.clear()


def test_waits_for_nobody(storage):
    assert storage.poll('a') is None
    assert storage.poll('a') is None
    storage.answer()
    assert storage.poll('a') == 0
    assert storage.begun == [0]
    assert not looking._looks


def test_one_thread_however_often_it_is_tried(storage):
    for token in 'abc':
        assert storage.poll(token) is None
    assert storage.begun == [0]


def test_findings_for_somebody_else_are_old(storage):
    """Who asked gave up long ago, perhaps."""
    assert storage.poll('a') is None
    storage.answer()
    assert storage.poll('b') == 1


def test_failure():
    def fail():
        raise vpm.Unproven('no state')

    for _ in range(2):
        with pytest.raises(vpm.Unproven, match='no state'):
            looking.poll('pvm', 'a', fail)


@pytest.mark.usefixtures('helper')
def test_disks_that_do_not_answer(pool, storage, monkeypatch):
    region = pool.alloc('pvm', 16 << 20)
    pools.fixate(pool, region.id)
    monkeypatch.setattr(disk_notes, 'compare', lambda *_args: (
        storage.look(), disk_notes.Comparison([], True))[1])
    with pytest.raises(regions.StorageSilent, match='/dead/disk'):
        regions.compare_disks(pool.path, 'pvm', {'/former': '/dead/disk'}, 0.0)
    storage.answer()
    assert regions.compare_disks(pool.path, 'pvm', {'/former': '/dead/disk'},
                                 _PATIENCE).noted
