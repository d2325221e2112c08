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

"""QEMUs of pVMs that rest are asked; what changes is looked at."""

import errno
import os
import socket
import threading
import time

import pytest

from nova_temporality.host import notes
from nova_temporality.notifier.pvm import rounds

pytestmark = pytest.mark.native_threads

PATIENCE = 60


class Question:
    """Stands for question.Question; QEMU answers as a test says."""

    def __init__(self):
        self.ours, self.qemu = socket.socketpair()
        self.is_answered = True
        self.answers = True
        self.asked = threading.Semaphore(0)

    def begin(self):
        self.ours.setblocking(False)
        return self.ours.fileno()

    def repeat(self):
        self.is_answered = self.answers
        self.asked.release()

    def hear(self):
        return self.ours.recv(1) == b'='


class Pvm:
    """One that rests.

    :ivar changed: released whenever it is to be looked at
    """

    def __init__(self, name, known):
        self.question = Question()
        self.changed = threading.Semaphore(0)
        self.is_same = True
        self._known = known
        known.join(name, self.question, self.changed.release,
                   lambda: self.is_same)

    def is_asked(self, times):
        return all(self.question.asked.acquire(timeout=PATIENCE)
                   for _ in range(times))

    def is_looked_at(self):
        return self.changed.acquire(timeout=PATIENCE)

    def say(self, said):
        self.question.qemu.send(said)


@pytest.fixture
def known(tmp_path):
    return rounds.Rounds(str(tmp_path), 0.01)


@pytest.fixture
def make(known):
    return lambda name='a': Pvm(name, known)


def was_left_alone(pvm):
    """Whether it was not looked at, and is still asked."""
    return pvm.is_asked(3) and not pvm.changed.acquire(blocking=False)


def test_asked_again_and_again_but_not_looked_at(make):
    pvm = make()
    assert was_left_alone(pvm)
    pvm.say(b'=')
    assert was_left_alone(pvm)


def test_another_answer_or_event(make):
    pvm, other = make(), make('b')
    assert pvm.is_asked(1)
    pvm.say(b'!')
    assert pvm.is_looked_at()
    assert was_left_alone(other)


def test_end_of_qemu_is_noticed_without_a_question(tmp_path):
    """That is not for the interval, which is a day here."""
    pvm = Pvm('a', rounds.Rounds(str(tmp_path), 86400))
    pvm.say(b'!')
    pvm.question.qemu.close()
    assert pvm.is_looked_at()
    assert not pvm.question.asked.acquire(blocking=False)


def test_qemu_that_does_not_answer(make):
    pvm = make()
    pvm.question.answers = False
    assert pvm.is_looked_at()


def test_what_is_beside_qemu(make):
    pvm = make()
    pvm.is_same = False
    assert pvm.is_looked_at()


def test_what_is_beside_qemu_cannot_be_known(make):
    pvm = make()
    del pvm.is_same
    assert pvm.is_looked_at()


def test_note_of_nova_compute(make, tmp_path):
    pvm, other = make(), make('b')
    notes.set_moving(str(tmp_path), 'a', notes.MOVES)
    assert pvm.is_looked_at()
    assert was_left_alone(other)


def test_looked_at_once_only(make):
    pvm, other = make(), make('b')
    pvm.question.qemu.close()
    assert pvm.is_looked_at()
    assert other.is_asked(9)
    assert not pvm.changed.acquire(blocking=False)


def test_who_has_left_is_not_asked(make, known):
    pvm, other = make(), make('b')
    known.leave(pvm.question)
    known.leave(pvm.question)
    pvm.say(b'!')
    while pvm.question.asked.acquire(blocking=False):
        pass
    assert other.is_asked(9)
    assert not pvm.question.asked.acquire(blocking=False)
    assert not pvm.changed.acquire(blocking=False)
    # Its descriptor may be another one's by now.
    pvm.question.ours.close()
    assert was_left_alone(make('c'))


def test_no_descriptors_left(known, make, monkeypatch):
    """What nova-compute notes is read when there are some again."""
    pvm = make()
    read = notes.moving
    tried = threading.Semaphore(0)

    def fail(_run_dir):
        tried.release()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(notes, 'moving', fail)
    for _ in range(3):
        assert tried.acquire(timeout=PATIENCE / 10)
    assert known.is_alive
    assert was_left_alone(pvm)
    monkeypatch.setattr(notes, 'moving', read)
    pvm.say(b'!')
    assert pvm.is_looked_at()


def test_turn_that_does_not_end(known, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    now = time.monotonic

    def hang(_run_dir):
        begun.set()
        go_on.wait(PATIENCE)
        return set()

    monkeypatch.setattr(notes, 'moving', hang)
    assert begun.wait(PATIENCE)
    assert not known.hangs
    monkeypatch.setattr(time, 'monotonic', lambda: now() + 1000)
    assert known.hangs
    go_on.set()
    deadline = now() + PATIENCE
    while known.hangs:
        assert now() < deadline
