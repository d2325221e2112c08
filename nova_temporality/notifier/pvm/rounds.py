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

"""Asks the QEMUs of all armed pVMs whether all is as it was, in one thread.

What QEMU does not tell by itself has to be asked for again and again: disks,
what blocks a migration, memory. Here an armed pVM whose QEMU says the same as
ever costs some microseconds. Everything else is for the pVM's own thread to
look at: another answer, an event, the end of QEMU, a note of nova-compute.
"""

from collections import abc
import contextlib
import dataclasses
import random
import select
import threading
import time

from oslo_log import log as logging

from nova_temporality.host import notes
from nova_temporality.qemu import question as question_module

LOG = logging.getLogger(__name__)

# Seconds of a turn, at most. In each it is heard what QEMUs say, and some are
# asked: all at once would keep the processors busy for a moment.
_TURN_SECONDS = 0.05

# Seconds after which a turn hangs.
_PATIENCE = 20.0


@dataclasses.dataclass(eq=False, slots=True)
class _Resting:
    """A pVM that rests.

    :ivar fd: file descriptor of the connection
    :ivar turn: in which it is asked
    :ivar is_heard: whether all that it says is heard
    """

    name: str
    question: question_module.Question
    changed: abc.Callable[[], object]
    is_same: abc.Callable[[], bool] | None
    fd: int
    turn: int
    is_heard: bool = False


class Rounds:
    """A thread that ends with the process.

    :param run_dir: [temporality] run_dir
    :param interval: seconds between two questions to a QEMU
    """

    def __init__(self, run_dir: str, interval: float) -> None:
        self._run_dir = run_dir
        self._epoll = select.epoll()
        self._resting: dict[int, _Resting] = {}
        # Those of each turn of an interval, and which turn is next.
        self._turns: list[set[_Resting]] = [
            set() for _ in range(max(1, round(interval / _TURN_SECONDS)))]
        self._turn = 0
        self._pause = interval / len(self._turns)
        # Of all above; held briefly.
        self._lock = threading.Lock()
        self._turned_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, daemon=True,
                                        name='rounds')
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    @property
    def hangs(self) -> bool:
        """Whether the latest turn does not end."""
        return time.monotonic() - self._turned_at > _PATIENCE + self._pause

    def join(self, name: str, question: question_module.Question,
             changed: abc.Callable[[], object],
             is_same: abc.Callable[[], bool] | None) -> None:
        """Ask a QEMU from now on; nobody else does until leave().

        Its events wait until it is asked for the first time, so that a flood
        of them has no pVM looked at much more often than that.

        :param name: of the pVM
        :param question: that was answered just now
        :param changed: called, once, when the pVM is to be looked at; it
                        returns at once
        :param is_same: asked, too: whether all beside QEMU is as it was; or
                        None
        """
        fd = question.begin()
        with self._lock:
            turns = len(self._turns)
            turn = (self._turn + random.randrange(turns // 2, turns)) % turns
            one = _Resting(name, question, changed, is_same, fd, turn)
            self._resting[fd] = one
            self._turns[turn].add(one)
            # Only the end of the connection.
            self._epoll.register(fd, 0)

    def leave(self, question: question_module.Question) -> None:
        """Ask a QEMU no more; harmless if it is not asked."""
        with self._lock:
            for one in self._resting.values():
                if one.question is question:
                    self._drop(one)
                    break

    def _work(self) -> None:
        while True:
            self._turned_at = time.monotonic()
            time.sleep(self._pause)
            with self._lock:
                changed = {*self._find_other(), *self._find_moving(),
                           *self._find_silent()}
                for one in changed:
                    self._drop(one)
                self._turn = (self._turn + 1) % len(self._turns)
            for one in changed:
                one.changed()

    def _drop(self, one: _Resting) -> None:
        del self._resting[one.fd]
        self._turns[one.turn].remove(one)
        self._epoll.unregister(one.fd)

    def _find_other(self) -> abc.Iterator[_Resting]:
        """Hear what came; find who says something else than before."""
        for fd, events in self._epoll.poll(0):
            one = self._resting[fd]
            try:
                if events != select.EPOLLIN or not one.question.hear():
                    yield one
            except OSError:
                yield one

    def _find_moving(self) -> abc.Iterator[_Resting]:
        """Find whom nova-compute keeps from being fixated."""
        moving: set[str] = set()
        # Without descriptors this is known later. nova-compute has the
        # notifier look at once, too, and holds the run lock meanwhile.
        with contextlib.suppress(OSError):
            moving = notes.moving(self._run_dir)
        if moving:
            yield from (one for one in self._resting.values()
                        if one.name in moving)

    def _find_silent(self) -> abc.Iterator[_Resting]:
        """Ask whose turn it is; find who does not answer."""
        for one in self._turns[self._turn]:
            try:
                if not one.question.is_answered or (
                        one.is_same is not None and not one.is_same()):
                    yield one
                    continue
                one.question.repeat()
                if not one.is_heard:
                    self._epoll.modify(one.fd, select.EPOLLIN)
                    one.is_heard = True
            except Exception as e:
                LOG.debug('%s cannot be asked: %s', one.name, e)
                yield one
