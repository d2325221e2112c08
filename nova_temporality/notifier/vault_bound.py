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

"""Keeps what is left to be written to the vault small enough.

The supply lasts for writing so many bytes of running servers' memory, which is
their *room*. When what they have written fills half of it, the vault is
written at full speed. When that is not enough, those servers are slowed that
have most of it: as late as possible, and by no more than is needed. It ends
when it ends, and when this process does.

What was not looked at yet, as of a server that was started a moment ago, is
left, too. But no server is slowed for that.
"""

from collections import abc
import threading
import time
from typing import NamedTuple

from oslo_log import log as logging

from nova_temporality.host import cpu_brakes
from nova_temporality.notifier import vault_watch
from nova_temporality.vault import ahead as ahead_module
from nova_temporality.vault import forecast
from nova_temporality.vault import unwritten
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# Seconds between two looks, and from when on what a look said is too old.
_INTERVAL = 1.0
_HURRIED_INTERVAL = 0.25
_TOO_OLD = 10.0

# Parts of the room: from when on the vault is written at full speed, and
# servers are slowed, more and more until it is full; until when that lasts.
_URGENT = 0.5
_SLOW = 0.75
_SLOW_UNTIL = 0.6


class _Look(NamedTuple):
    """What was found, and when (time.monotonic())."""

    at: float
    bounded: forecast.Bounded


class VaultBound:
    """Looks at running servers, and slows them if need be.

    :param pool: that may have a vault
    :param hold_up: [temporality] vault_hold_up, seconds
    :param ahead: who writes ahead
    :param pids: returns process ids of QEMUs by names of servers
    :param halted: whether servers stand still, so that none is to be slowed
    :param note: path of a note of what is to be undone
    :ivar slowed: seconds for which servers were slowed, by names
    :ivar watch: on the vault, which knows of this
    """

    def __init__(self, pool: vpm.Pool, hold_up: int,
                 ahead: ahead_module.Ahead,
                 pids: abc.Callable[[], abc.Mapping[str, int]],
                 halted: abc.Callable[[], object], note: str) -> None:
        self.slowed: dict[str, float] = {}
        self._pool = pool
        self._hold_up = hold_up if pool.info().vault else 0
        self._ahead = ahead
        self._pids = pids
        self._halted = halted
        # Whatever an earlier process has left is undone.
        self._brakes = cpu_brakes.Brakes(note)
        self.watch = vault_watch.VaultWatch(pool, hold_up, self.bounded)
        self._room: int | None = None
        self._speeds: dict[str, float] = {}
        self._found = _Look(0.0, forecast.Bounded())
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread, which ends with the process."""
        if self._hold_up:
            threading.Thread(target=self._work, daemon=True,
                             name='vault-bound').start()

    def close(self) -> None:
        """Let all servers have their speed, from now on."""
        self._ended.set()
        with self._lock:
            self._brakes.release()

    def bounded(self) -> forecast.Bounded:
        """Return what need not be written as a whole."""
        at, bounded = self._found
        if not self._hold_up or time.monotonic() - at < _TOO_OLD:
            return bounded
        return forecast.Bounded({}, dict.fromkeys(
            [*bounded.left, *bounded.counted],
            'nobody has looked at it for %d s' % _TOO_OLD))

    def speeds(self) -> dict[str, float]:
        """Return the speeds of servers that are slowed, by names."""
        return dict(self._speeds)

    def _work(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(
                _HURRIED_INTERVAL if self._ahead.is_urgent else _INTERVAL):
            now = time.monotonic()
            for name in self._speeds:
                self.slowed[name] = self.slowed.get(name, 0.0) + now - before
            before = now
            try:
                self.step()
            except Exception:
                LOG.exception('What is left for the vault is not known')

    def step(self) -> None:
        """Look once, and slow whom it has to slow.

        :raises vpm.VpmError: the pool cannot be read
        """
        self._ahead.look()
        known, pids = self._ahead.known(), self._pids()
        counted = self._ahead.unseen()
        for name in sorted(known):
            try:
                cpu_brakes.check(pids.get(name, 0))
            except cpu_brakes.Unavailable as e:
                del known[name]
                counted[name] = str(e)
        bounded = forecast.Bounded(
            {name: one.left() + one.grown() for name, one in known.items()},
            counted)
        self._found = _Look(time.monotonic(), bounded)
        room = forecast.room(self._hold_up, forecast.sizes(
            self._pool, bounded), self.watch.look().measured)
        # A disk that does not answer is no faster than it was.
        self._room = self._room if room is None else room
        with self._lock:
            if not self._ended.is_set():
                self._act(known, pids)

    def _act(self, known: abc.Mapping[str, unwritten.Unwritten],
             pids: abc.Mapping[str, int]) -> None:
        changed = {name: one.changed() for name, one in known.items()}
        # Without any, nobody is slow enough.
        if not self._room or self._halted():
            self._ahead.is_urgent = False
            self._slow({}, pids)
            return
        self._ahead.is_urgent = _URGENT <= sum(
            one.left() for one in known.values()) / self._room
        filled = sum(changed.values()) / self._room
        if filled < (_SLOW_UNTIL if self._speeds else _SLOW):
            self._slow({}, pids)
            return
        speed = speed_at(filled)
        mean = sum(changed.values()) / len(changed)
        self._slow({name: speed for name, size in changed.items()
                    if size >= mean}, pids)

    def _slow(self, speeds: dict[str, float],
              pids: abc.Mapping[str, int]) -> None:
        for name in sorted(self._speeds.keys() | speeds.keys()):
            speed = speeds.get(name, 1.0)
            if (speed < 1.0) != (name in self._speeds):
                LOG.warning(
                    '%s: %s', name, 'it is slowed, since it writes faster '
                    'than the vault takes it' if speed < 1.0 else
                    'it is not slowed any more')
            try:
                self._brakes.set(pids.get(name, 0), speed)
            except cpu_brakes.Unavailable as e:
                LOG.warning('%s: %s', name, e)
        self._speeds = speeds
        if not speeds:
            # Of QEMUs that have ended, too.
            self._brakes.release()


def speed_at(filled: float) -> float:
    """Return the speed that a server may have; 1 is all of it.

    :param filled: part of the room that is taken
    """
    part = (filled - _SLOW) / (1 - _SLOW)
    return min(0.95, max(cpu_brakes.SLOWEST,
                         1 - part * (1 - cpu_brakes.SLOWEST)))
