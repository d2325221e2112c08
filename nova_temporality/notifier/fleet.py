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

"""The pVMs of one pool, as they come and go.

The pool and QEMU say what is to be protected; the memory of this process does
not count, as it may be killed and started again at any time.
"""

from collections import abc
import concurrent.futures
import contextlib
import dataclasses
import threading
import time
from typing import Any

from oslo_log import log as logging

from nova_temporality.notifier import persistence_domain
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import pvm as pvm_module
from nova_temporality.notifier.pvm import rounds
from nova_temporality.notifier.reports import events
from nova_temporality.spec import priority
from nova_temporality import vpm
from nova_temporality.vpm import engine as native

LOG = logging.getLogger(__name__)

# The event for a condition. A pVM that is off or stands still needs no
# attention, so nothing is published about it.
_EVENTS = {conditions.ARMED: events.PVM_ARMED,
           conditions.NOT_ARMED: events.PVM_UNARMED,
           conditions.STOPPED: events.PVM_UNARMED}

# Seconds between two events about one pVM: its guest can toggle what blocks
# it, for example the write cache of its disk.
_QUIET_SECONDS = 60.0


class Fleet:
    """All pVMs of one pool.

    :param pool: that has their memory
    :param engine: that fixates them
    :param run_dir: [temporality] run_dir
    :param check_interval: seconds between two looks at a pVM's QEMU, or
                           questions to it
    :param platform: whether CPU caches survive
    :param publish: see events.Publisher.publish()
    :ivar scan_error: why the pool could not be read, None if it could
    """

    def __init__(self, pool: vpm.Pool, engine: native.Engine, run_dir: str,
                 check_interval: float,
                 platform: persistence_domain.Platform,
                 publish: events.Publish) -> None:
        self.scan_error: str | None = None
        self._pool = pool
        self._engine = engine
        self._run_dir = run_dir
        self._check_interval = check_interval
        self._platform = platform
        self._publish = publish
        self._scanned: list[vpm.RegionInfo] = []
        self._rounds = rounds.Rounds(run_dir, check_interval)
        self._pvms: dict[str, pvm_module.Pvm] = {}
        # Those that cannot be looked after, by name; they are tried again.
        self._failed: dict[str, conditions.Condition] = {}
        # The latest event about each pVM, by name, and time.monotonic() then.
        self._published: dict[str, tuple[str | None, float]] = {}
        # No job is given to a pVM that is being dropped; held briefly.
        self._lock = threading.Lock()
        self._scan_lock = threading.Lock()

    @contextlib.contextmanager
    def locked(self) -> abc.Iterator[abc.Mapping[str, pvm_module.Pvm]]:
        """Keep all pVMs from being dropped; to be held briefly.

        :returns: a context manager of the pVMs by name
        """
        with self._lock:
            yield self._pvms

    def known(self) -> dict[str, pvm_module.Pvm]:
        """Return the pVMs by name; some may be dropped later."""
        with self._lock:
            return dict(self._pvms)

    def priorities(self) -> dict[str, int]:
        """Return the priorities by name."""
        return {name: pvm.priority for name, pvm in self.known().items()}

    def scan(self) -> None:
        """Look for regions that came or went.

        A pool that cannot be read is reported, and read again next time;
        the pVMs known so far stay protected.
        """
        with self._scan_lock:
            try:
                regions = self._pool.regions()
            except vpm.VpmError as e:
                if str(e) != self.scan_error:
                    LOG.error('Cannot read the pool: %s', e)
                self.scan_error = str(e)
                return
            self.scan_error = None
            with self._lock:
                if regions != self._scanned or self._failed:
                    self._replace(_first_of_each(regions))
                    self._scanned = regions
                self._publish_changes()

    def look(self) -> list[concurrent.futures.Future[None]]:
        """Have a look at every pVM now; return at once."""
        with self._lock:
            return [pvm.check() for pvm in self._pvms.values()]

    def status(self) -> list[dict[str, Any]]:
        """Return name, priority and condition of all, in plain data."""
        with self._lock:
            found = {name: (pvm.condition, pvm.priority)
                     for name, pvm in self._pvms.items()}
            found.update((name, (condition, priority.DEFAULT))
                         for name, condition in self._failed.items())
        return [dict(dataclasses.asdict(condition), name=name,
                     priority=number)
                for name, (condition, number) in sorted(found.items())]

    def running(self) -> set[str]:
        """Return the names of pVMs that run, as far as it is known."""
        return {name for name, pvm in self.known().items()
                if pvm.condition.state in (conditions.ARMED,
                                           conditions.NOT_ARMED)}

    def pids(self) -> dict[str, int]:
        """Return the process ids of the QEMUs that are known, by name."""
        return {name: pvm.pid for name, pvm in self.known().items()
                if pvm.pid}

    def problem(self) -> str | None:
        """Say whose thread has ended, in words; None if nobody's."""
        if not self._rounds.is_alive:
            return 'the thread that asks QEMUs has ended'
        if self._rounds.hangs:
            return 'the thread that asks QEMUs hangs'
        dead = [name for name, pvm in sorted(self.known().items())
                if not pvm.is_alive]
        return 'the threads of pVMs have ended: %s' % ', '.join(
            dead) if dead else None

    def unwatched(self) -> list[str]:
        """Names of pVMs whose threads hang: nobody looks after them."""
        return [name for name, pvm in sorted(self.known().items())
                if pvm.hangs]

    def describe(self) -> str:
        """Say in a line how the pVMs are."""
        states = [pvm.condition.state for pvm in self.known().values()]
        return '%d pVMs, %d armed, %d fixated' % (
            len(states), states.count(conditions.ARMED),
            states.count(conditions.FIXATED))

    def leave(self) -> None:
        """Leave all pVMs as they are, to the engine."""
        with self._lock:
            for pvm in self._pvms.values():
                pvm.leave()

    def forget_others(self) -> None:
        """Have the engine give up units whose regions are gone.

        They were freed while no notifier ran.
        """
        with self._scan_lock:
            if self.scan_error:
                return
            # Also those that cannot be looked after yet.
            known = {(region.id, region.created_ns)
                     for region in self._scanned}
            # Without an engine there are none.
            with contextlib.suppress(vpm.EngineAway):
                for unit in self._engine.units():
                    if (unit.region, unit.created_ns) not in known:
                        self._engine.forget(unit.region, unit.created_ns)

    def _replace(self, found: abc.Mapping[str, vpm.RegionInfo]) -> None:
        for name, known in list(self._pvms.items()):
            if not _is_same(known.region, found.get(name)):
                self._pvms.pop(name).close()
        before, self._failed = self._failed, {}
        for name, region in found.items():
            if name in self._pvms:
                continue
            try:
                self._pvms[name] = pvm_module.Pvm(
                    self._pool, self._engine, region, self._run_dir,
                    self._check_interval, self._platform, self._rounds)
            except Exception as e:
                # The others are looked after all the same.
                condition = self._failed[name] = conditions.after(e)
                if before.get(name) != condition:
                    LOG.error('pVM %s cannot be looked after, and is not '
                              'armed: %s', name, condition.reason)

    def _publish_changes(self) -> None:
        earlier, self._published = self._published, {}
        now = time.monotonic()
        for name, known in self._pvms.items():
            condition = known.condition
            kind = _EVENTS.get(condition.state)
            told, told_at = earlier.get(name, (None, -_QUIET_SECONDS))
            if kind != told and kind and now - told_at < _QUIET_SECONDS:
                # It is told later, if it is still so.
                self._published[name] = told, told_at
                continue
            if kind and kind != told:
                self._publish(kind, dict(dataclasses.asdict(condition),
                                         name=name))
                told_at = now
            self._published[name] = kind, told_at


def _first_of_each(regions: abc.Iterable[vpm.RegionInfo]
                   ) -> dict[str, vpm.RegionInfo]:
    """Return the first region of each name: that is a server's memory."""
    found: dict[str, vpm.RegionInfo] = {}
    for region in sorted(regions, key=lambda r: r.sequence):
        found.setdefault(region.name, region)
    return found


def _is_same(known: vpm.RegionInfo, found: vpm.RegionInfo | None) -> bool:
    # A server rebuilt gets a region of the same name and id.
    return found is not None and (
        (known.id, known.created_ns) == (found.id, found.created_ns))
