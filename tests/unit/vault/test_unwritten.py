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

"""What is left of a memory, by what looks say and visits prove."""

import hypothesis
from hypothesis import strategies
import pytest

from nova_temporality.vault import data
from nova_temporality.vault import unwritten
from nova_temporality.vpm import sums

CHUNKS = data.PIECE // sums.CHUNK
PIECES = 3
SIZE = PIECES * data.PIECE


class Memory:
    """A memory, and what the vault has of it: a number for each chunk."""

    def __init__(self):
        self.now = [0] * (PIECES * CHUNKS)
        self.there = [None] * (PIECES * CHUNKS)
        self._reported = set(range(len(self.now)))
        self.unwritten = unwritten.Unwritten(self._take, SIZE)

    def _take(self):
        taken, self._reported = self._reported, set()
        return [(chunk * sums.CHUNK, (chunk + 1) * sums.CHUNK)
                for chunk in sorted(taken)]

    def write(self, chunk, is_seen=True):
        self.now[chunk] += 1
        if is_seen:
            self._reported.add(chunk)

    def visit(self, chunks, is_written=True, meanwhile=lambda: None):
        since = self.unwritten.begin()
        read = [self.now[chunk] for chunk in chunks]
        differed = [one != self.there[chunk]
                    for one, chunk in zip(read, chunks)]
        meanwhile()
        if is_written:
            for one, chunk in zip(read, chunks):
                self.there[chunk] = one
        return self.unwritten.visited(
            since, chunks[0] * sums.CHUNK, differed,
            [one and not is_written for one in differed])

    def visit_all(self, **kwargs):
        for piece in range(PIECES):
            self.visit(range(piece * CHUNKS, (piece + 1) * CHUNKS), **kwargs)

    def left(self):
        return self.unwritten.left() // sums.CHUNK

    def differs(self):
        return {chunk for chunk, one in enumerate(self.now)
                if one != self.there[chunk]}


@pytest.fixture
def memory():
    """One that is in the vault, as a whole."""
    made = Memory()
    assert made.left() == PIECES * CHUNKS
    made.unwritten.look()
    made.visit_all()
    assert made.left() == 0
    return made


def test_what_is_written_is_left_until_it_was_still(memory):
    memory.write(5)
    assert memory.left() == memory.unwritten.grown() == 0
    memory.unwritten.look()
    assert memory.left() == 1
    assert memory.unwritten.grown() == sums.CHUNK
    # A device may still write into it.
    assert memory.unwritten.cold(9) == []
    memory.visit([5])
    assert memory.left() == 1
    memory.unwritten.look()
    assert memory.unwritten.grown() == 0
    assert memory.unwritten.cold(9) == [5]
    memory.visit([5])
    assert memory.left() == 0


def test_written_while_it_is_visited(memory):
    memory.write(5)
    memory.unwritten.look()
    memory.unwritten.look()

    def meanwhile():
        memory.write(5)
        memory.unwritten.look()

    memory.visit([5], meanwhile=meanwhile)
    assert memory.left() == 1


def test_not_written_to_the_vault(memory):
    memory.write(5)
    memory.unwritten.look()
    memory.unwritten.look()
    memory.visit([5], is_written=False)
    assert memory.left() == 1


def test_coldest_first(memory):
    for chunk in (9, 3, 7, 3):
        memory.write(chunk)
        memory.unwritten.look()
    memory.unwritten.look()
    assert memory.unwritten.cold(2) == [7, 9]
    assert memory.unwritten.cold(9) == [3, 7, 9]


def test_written_before_it_was_visited(memory):
    memory.unwritten.forget()
    assert memory.left() == PIECES * CHUNKS
    memory.write(5)
    memory.unwritten.look()
    memory.visit_all()
    # Of its piece nobody knows more.
    assert memory.left() == CHUNKS
    memory.unwritten.look()
    memory.visit_all()
    assert memory.left() == 0


def test_piece_that_is_visited_in_parts_is_not_known(memory):
    assert memory.unwritten.is_all_visited()
    memory.unwritten.forget()
    assert not memory.unwritten.is_all_visited()
    assert not memory.visit(range(CHUNKS // 2))
    assert memory.left() == PIECES * CHUNKS
    assert memory.visit(range(CHUNKS))
    assert not memory.visit(range(CHUNKS))


def test_holes_need_no_visit(memory):
    memory.unwritten.forget()
    memory.unwritten.look()
    memory.unwritten.zero(memory.unwritten.begin(), [data.PIECE])
    assert memory.left() == CHUNKS


def test_what_nobody_reports_is_missed(memory):
    memory.write(5, is_seen=False)
    memory.visit_all()
    memory.unwritten.look()
    assert memory.unwritten.missed == 1
    assert memory.left() == PIECES * CHUNKS
    memory.unwritten.look()
    memory.visit_all()
    assert memory.left() == 0
    assert memory.unwritten.missed == 1


def test_what_is_reported_later_is_not_missed(memory):
    memory.write(5)
    memory.visit_all()
    memory.unwritten.look()
    assert memory.unwritten.missed == 0
    assert memory.left() == 1


def test_size_that_is_no_multiple_of_a_piece():
    found = unwritten.Unwritten(list, data.PIECE + 3 * sums.CHUNK)
    assert found.left() == data.PIECE + 3 * sums.CHUNK
    found.look()
    found.visited(found.begin(), data.PIECE, [False] * 3, [False] * 3)
    assert found.left() == data.PIECE


_SOME = strategies.integers(0, PIECES * CHUNKS - 1)


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(strategies.lists(strategies.one_of(
    strategies.tuples(strategies.just('write'), _SOME),
    strategies.tuples(strategies.sampled_from(['look', 'all', 'cold'])),
    strategies.tuples(strategies.just('meanwhile'), _SOME)), max_size=30))
def test_whatever_differs_is_left_after_a_look(operations):
    memory = Memory()
    for name, *arguments in operations:
        if name == 'write':
            memory.write(*arguments)
        elif name == 'look':
            memory.unwritten.look()
        elif name == 'all':
            memory.visit_all()
        elif name == 'meanwhile':
            def meanwhile():
                memory.write(*arguments)
                memory.unwritten.look()
            memory.visit_all(meanwhile=meanwhile)
        else:
            for chunk in memory.unwritten.cold(4):
                memory.visit([chunk])
    memory.unwritten.look()
    assert memory.unwritten.missed == 0
    assert memory.left() >= len(memory.differs())
    memory.unwritten.look()
    memory.visit_all()
    assert memory.left() == len(memory.differs()) == 0
