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

"""One round: servers run, power fails, all is dark, and they run on."""

from collections.abc import Callable
import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import threading
import time
from typing import Any

from nova_temporality.notifier import client
from nova_temporality import vpm
from tests.drills import plan
from tests.drills import servers
from tests.framework import hosts
from tests.framework import machine
from tests.framework import upsd

SURVIVED = 'survived'
UNPROVEN = 'unproven'
LOST = 'lost'

# What an unproven state may say. Anything else was proven, and is damaged.
_TOO_EARLY = 'there is no marker', 'it is stale'

# Seconds in which all are fixated, and in the vault, unless nobody does it.
_PATIENCE = 20.0

_POD = 44
FAILING, WARNING, GOOD = 'OB LB', 'OB', 'OL'
_POLL_MS = 10
_GRACE_MS = 20


@dataclasses.dataclass
class Found:
    """What became of one server.

    :ivar verdict: SURVIVED, UNPROVEN or LOST
    :ivar why: why it is unproven, or lost
    :ivar durable: writes of its disk that had to be there
    :ivar lost: writes of its disk that were not flushed, and are gone
    """

    name: str
    verdict: str = ''
    why: str = ''
    durable: int = 0
    lost: int = 0


class Drills:
    """A host whose NVRAM survives, and the rounds on it.

    :param options: of the host's configuration
    """

    def __init__(self, host: hosts.Host, made: list[servers.Server],
                 **options: object) -> None:
        self._host = host
        self._servers = made
        self._ups = upsd.Upsd(GOOD)
        host.configure(
            pod_sources='signal,nut', nut_ups='rack', nut_port=self._ups.port,
            nut_poll_interval_ms=_POLL_MS, grace_ms=_GRACE_MS, **options)
        # Nothing is started in the dark.
        self._lock = threading.Lock()
        self._is_dark = True
        self._notifier = host.notifier()

    def close(self) -> None:
        """End all that runs."""
        self._host.power_cut()
        self._signal_engines(signal.SIGKILL)
        self._ups.close()

    def rest(self) -> None:
        """Have all servers stand still, so that another host has the CPUs."""
        for server in self._servers:
            server.hang()

    def go_on(self) -> None:
        """End rest()."""
        for server in self._servers:
            server.wake()

    def run(self, one: plan.Round, chance: random.Random) -> list[Found]:
        """Do it; every server runs on afterwards, or was booted afresh."""
        self._start()
        time.sleep(one.run_s)
        event = threading.Thread(target=self._happens, args=(one,))
        event.start()
        time.sleep(one.lead_s)
        self._power_fails(one)
        seen = self._wait_dark(one)
        found = self._cut(chance)
        event.join()
        self._return(found, seen, one, chance)
        for server, each in zip(self._servers, found):
            self._check(server, each)
        return found

    # -- light ------------------------------------------------------------

    def _light(self) -> None:
        self._ups.status = GOOD
        with self._lock:
            self._is_dark = False

    def _start(self) -> None:
        self._light()
        for server in self._servers:
            if server.process is None or server.process.poll() is not None:
                server.begin()
        self._start_notifier()
        for server in self._servers:
            assert self._notifier.state(server) == 'armed', (
                self._notifier.pvm(server.name))

    def _start_notifier(self) -> None:
        with self._lock:
            if self._is_dark:
                return
            self._notifier.launch()
        machine.wait_for(lambda: self._is_dark or self._answers(),
                         'the notifier')

    def _answers(self) -> bool:
        try:
            return bool(self._notifier.call('status'))
        except client.NotifierDown:
            return False

    def _happens(self, one: plan.Round) -> None:
        # Darkness may come at any moment.
        with contextlib.suppress(client.NotifierError, OSError, vpm.VpmError,
                                 AssertionError):
            self._do(one.event, one.event_s)

    def _do(self, event: str, seconds: float) -> None:
        if event == plan.DRILL:
            self._notifier.call('drill')
        elif event == plan.SUSPENSION:
            self._notifier.call('suspend', name=self._servers[0].name)
        elif event == plan.ALLOCATION:
            # A cut may have come in the midst.
            with contextlib.suppress(vpm.NotFound):
                self._host.pool.free('other')
            while not self._is_dark:
                self._host.pool.alloc('other', 4 << 20)
                self._host.pool.free('other')
        elif event == plan.BROWN_OUT:
            self._ups.status = FAILING
            time.sleep(seconds)
            self._ups.status = GOOD
        elif event == plan.WARNING:
            self._ups.status = WARNING
        elif event == plan.NOTIFIER_ENDS:
            self._notifier.end()
            self._start_notifier()
        elif event == plan.NOTIFIER_DIES:
            self._notifier.kill()
            self._start_notifier()
        elif event == plan.ENGINE_IS_REPLACED:
            self._host.engine.process.send_signal(signal.SIGHUP)
        elif event == plan.ENGINE_DIES:
            self._host.engine.kill()
            with self._lock:
                if not self._is_dark:
                    self._host.engine.ensure(self._host.config_file)

    # -- darkness ---------------------------------------------------------

    def _power_fails(self, one: plan.Round) -> None:
        if one.by == plan.UPS:
            self._ups.status = FAILING
        else:
            self._signal_engines(_POD)

    def _wait_dark(self, one: plan.Round) -> set[str]:
        """Wait for the cut; return who was proven to survive it then."""
        if one.since == plan.FIXATED:
            self._wait(lambda: not any(
                server.unproven() for server in self._servers))
        if one.since == plan.PROVEN:
            self._wait(self._are_all_proven)
        else:
            time.sleep(one.dark_ms / 1000)
        if one.event == plan.BROWN_OUT:
            # It may be called off in this very moment.
            return set()
        return self._proven()

    @staticmethod
    def _wait(condition: Callable[[], bool]) -> None:
        """Wait for what is not always to come."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and not condition():
            time.sleep(0.01)

    def _are_all_proven(self) -> bool:
        return len(self._proven()) == len(self._servers)

    def _proven(self) -> set[str]:
        """Names of the servers that would survive a cut in this moment."""
        return {server.name for server in self._servers
                if not server.unproven()}

    def _cut(self, chance: random.Random) -> list[Found]:
        with self._lock:
            self._is_dark = True
            ends = self._ends()
            chance.shuffle(ends)
            for end in ends:
                end()
            while self._signal_engines(signal.SIGKILL):
                pass
        self._empty_run_dir()
        return [Found(server.name, '', '', *server.lose_power(chance))
                for server in self._servers]

    def _ends(self) -> list[Callable[[], object]]:
        return [self._host.engine.kill, self._notifier.kill,
                *(server.kill for server in self._servers)]

    def _signal_engines(self, number: int) -> bool:
        """Send a signal to the engine, and to one that takes its place.

        :returns: whether there was one
        """
        mine = os.fsencode(self._host.run_dir)
        found = [int(process.name)
                 for process in pathlib.Path('/proc').glob('[0-9]*')
                 if mine in _arguments(process)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(found)

    def _empty_run_dir(self) -> None:
        """As a boot does, but for what belongs to QEMU's other ends."""
        for entry in os.scandir(self._host.run_dir):
            if entry.is_dir() and entry.name != 'qmp':
                shutil.rmtree(entry)
            elif not entry.is_dir():
                os.unlink(entry)

    # -- afterwards -------------------------------------------------------

    def _return(self, found: list[Found], seen: set[str], one: plan.Round,
                chance: random.Random) -> None:
        """Power is back: recover, or boot, all servers, with verdicts."""
        for server, each in zip(self._servers, found):
            self._judge(server, each, seen, one, chance)

    def _judge(self, server: servers.Server, found: Found, seen: set[str],
               one: plan.Round, chance: random.Random) -> None:
        found.why = server.unproven()
        if found.why:
            is_sound = server.name not in seen and any(
                why in found.why for why in _TOO_EARLY)
            found.verdict = UNPROVEN if is_sound else LOST
            server.begin()
            return
        try:
            given_up = self._recover_twice(server, one, chance)
            if given_up:
                found.verdict, found.why = UNPROVEN, given_up
                server.begin()
                return
            found.verdict = SURVIVED
        except Exception as e:
            lose(found, e)

    @staticmethod
    def _check(server: servers.Server, found: Found) -> None:
        if found.verdict != SURVIVED:
            return
        try:
            server.wait_counting()
            assert server.boots() == 1, 'it was booted again'
            server.check_all()
        except Exception as e:
            lose(found, e)

    def _recover_twice(self, server: servers.Server, one: plan.Round,
                       chance: random.Random) -> str:
        """Recover a server, after another cut in the midst of that.

        :returns: why its state was given up, '' if it runs
        """
        if one.again:
            cut_off(server, one)
            server.lose_power(chance)
            why = server.unproven()
            if one.again in (plan.GIVEN_UP, plan.RUNNING):
                assert why, 'it is proven, although it ran'
                return why
            assert not why, 'after a cut %s: %s' % (one.again, why)
        server.recover()
        return ''


def cut_off(server: servers.Server, one: plan.Round) -> None:
    """Begin to recover a server, up to where another cut comes."""
    if one.again == plan.WHILE_LOADING:
        timer = threading.Timer(one.again_s, lambda: (
            server.process and server.process.kill()))
        timer.start()
        # It is killed somewhere in it, or just after.
        with contextlib.suppress(Exception):
            server.start('-incoming', 'defer')
            server.load()
        timer.join()
        return
    server.start('-incoming', 'defer')
    server.load()
    if one.again == plan.GIVEN_UP:
        server.pool.begin_epoch(server.region.id)
    elif one.again == plan.RUNNING:
        server.run_on()
        time.sleep(one.again_s)


def _arguments(process: pathlib.Path) -> list[bytes]:
    try:
        return (process / 'cmdline').read_bytes().split(b'\0')
    except OSError:
        return []  # it has ended


def lose(found: Found, why: Exception) -> None:
    """Give the verdict LOST."""
    found.verdict = LOST
    found.why = '%s: %s' % (type(why).__name__, why)


def as_line(number: int, one: plan.Round, found: list[Found]
            ) -> dict[str, Any]:
    """What is printed of a round."""
    return dict(dataclasses.asdict(one), round=number,
                servers=[dataclasses.asdict(each) for each in found])
