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

"""The QEMU of a pVM, as the notifier reaches it: over QMP."""

from __future__ import annotations

from collections import abc
import contextlib
import os
import select
import signal

from oslo_log import log as logging

from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.notifier.pvm import arming
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import facts
from nova_temporality.notifier.pvm import rounds
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.qemu import question
from nova_temporality.spec import priority
from nova_temporality import vpm

# Seconds for an answer while power is good.
PATIENCE = 2.0

LOG = logging.getLogger(__name__)


class Ending:
    """A QEMU that was told to end, which may take it long.

    The kernel takes back some hundred GiB of memory page by page.

    :param pid: of the process
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process: int | None = None
        # It may have ended already.
        with contextlib.suppress(ProcessLookupError):
            self._process = os.pidfd_open(pid)

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended; whether it has.

        :param timeout: seconds
        """
        if self._process is None:
            return True
        # select(2) knows descriptors below 1024 only.
        ready = select.poll()
        ready.register(self._process, select.POLLIN)
        return bool(ready.poll(timeout * 1000))

    def kill(self) -> None:
        """Have the kernel end it."""
        if self._process is None:
            return
        try:
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            LOG.error('QEMU process %d does not end, and the notifier may not '
                      'kill it: it lacks CAP_KILL, see its unit. End it by '
                      '"kill -9 %d"', self.pid, self.pid)

    def close(self) -> None:
        """Forget it."""
        if self._process is not None:
            os.close(self._process)
            self._process = None


class Qemu:
    """Keeps a connection to the latest QEMU of a pVM.

    :param region: of its memory
    :param run_dir: [temporality] run_dir
    :param arming: of the pVM; it is opened with the first connection, and
                   disarmed before one is closed
    :param rounds: that ask QEMU while the pVM rests
    :ivar priority: of the pVM, as this QEMU was given
    :ivar is_prepared: whether this QEMU was checked and prepared
    :ivar seen_live: whether its vCPUs were seen to run since the last stop
    :ivar route: the route that qemu.route.choose() returned, None before
    :ivar route_problem: the words that it returned, or None
    """

    def __init__(self, region: vpm.RegionInfo, run_dir: str,
                 arming: arming.Arming, rounds: rounds.Rounds) -> None:
        self.priority = priority.DEFAULT
        self.is_prepared = False
        self.seen_live = False
        self.route: str | None = None
        self.route_problem: str | None = None
        self._qmp: qmp_module.QmpClient | None = None
        self._region = region
        self._run_dir = run_dir
        self._arming = arming
        self._rounds = rounds
        self._question: question.Question | None = None
        self._rests = False

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection; it may be broken."""
        return self._qmp is not None

    @property
    def pid(self) -> int:
        """The process id of the QEMU that is connected; 0 if none is."""
        qmp = self._qmp
        return qmp.pid if qmp else 0

    @property
    def qmp(self) -> qmp_module.QmpClient:
        """The connection; to be used after reach() only."""
        assert self._qmp is not None
        self.wake()
        return self._qmp

    def ask(self, timeout: float) -> facts.Facts:
        """Ask what has to be known of an armed QEMU.

        :param timeout: seconds
        :raises: qmp.QmpError
        """
        self._question = asked = question.Question(self.qmp, facts.COMMANDS)
        return facts.Facts(*asked.ask(timeout))

    @property
    def rests(self) -> bool:
        """Whether the connection is left to the rounds."""
        return self._rests

    def rest(self, changed: abc.Callable[[], object],
             is_same: abc.Callable[[], bool] | None) -> None:
        """Leave the connection to the rounds, after ask(), until it is used.

        :param changed: see rounds.Rounds.join()
        :param is_same: likewise
        """
        assert self._question is not None
        # An event that came with the answers is looked at soon.
        if self.qmp.unread:
            return
        self._rests = True
        self._rounds.join(self._region.name, self._question, changed, is_same)

    def wake(self) -> None:
        """Take the connection back; harmless if it does not rest."""
        if self._rests:
            assert self._question is not None
            self._rests = False
            self._rounds.leave(self._question)
            self._question.end()

    def reach(self, timeout: float) -> str:
        """Connect if need be; return QEMU's run state.

        :param timeout: seconds
        :raises: conditions.NotArmed, qmp.QmpError
        """
        if self._qmp is not None:
            try:
                return migration.runstate(self.qmp, timeout)
            except qmp_module.QmpTimeout:
                raise
            except qmp_module.QmpConnectionError:
                # That QEMU has ended; there may be another one.
                self.disconnect()
        self._connect(timeout)
        return migration.runstate(self.qmp, timeout)

    def is_running(self) -> bool:
        """Whether its vCPUs run."""
        try:
            return self.reach(PATIENCE) in migration.LIVE_RUNSTATES
        except (qmp_module.QmpError, conditions.NotArmed):
            return False

    def connect_for_engine(self, timeout: float) -> qmp_module.QmpClient:
        """Return a connection of the same QEMU, to be used for one event.

        :param timeout: seconds
        :raises: conditions.NotArmed, qmp.QmpError
        """
        path = paths.fixate_socket(self._run_dir, self._region.name)
        qmp = self._open(path, timeout)
        if qmp.pid != self.qmp.pid:
            qmp.close()
            raise _wrong_peer(path, 'process', qmp.pid, self.qmp.pid)
        return qmp

    def disconnect(self) -> None:
        """Disarm it and close the connection; QEMU stays as it is."""
        self.is_prepared = False
        self._arming.disarm()
        self.leave()

    def leave(self) -> None:
        """Close the connection; QEMU stays as it is, and armed."""
        self.wake()
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None

    def quit(self) -> Ending:
        """Tell QEMU to end, and disconnect."""
        ending = Ending(self.qmp.pid)
        try:
            self.qmp.command('quit', timeout=PATIENCE)
        except qmp_module.QmpError:
            pass  # it may be gone before it has answered, or hang
        self.disconnect()
        return ending

    def _connect(self, timeout: float) -> None:
        qmp = self._open(paths.watch_socket(self._run_dir,
                                            self._region.name), timeout)
        try:
            self._arming.open()
        except BaseException:
            qmp.close()
            raise
        self._qmp = qmp
        self.route = None
        self.priority = notes.read_priority(self._run_dir, self._region.name)
        self.is_prepared = False
        self.seen_live = False

    def _open(self, path: str, timeout: float) -> qmp_module.QmpClient:
        # QEMU owns the directory, so it could put any socket there.
        uid = self._region.uid
        try:
            qmp = qmp_module.QmpClient(path, timeout, uid or None)
        except qmp_module.QmpRefused:
            raise conditions.NotArmed(conditions.OFF)
        except qmp_module.QmpWrongPeer as e:
            raise _wrong_peer(path, 'user id', e.uid, uid)
        if qmp.pid == 0:
            qmp.close()
            raise conditions.NotArmed(
                conditions.NOT_ARMED, 'its QEMU runs in a PID namespace that '
                'the notifier cannot see into',
                'run the notifier in the PID namespace of the host (for a '
                'container: --pid=host)', conditions.PID_NAMESPACE)
        return qmp


def _wrong_peer(path: str, what: str, found: int,
                expected: int) -> conditions.NotArmed:
    return conditions.NotArmed(
        conditions.NOT_ARMED, '%s is served by %s %d instead of %d'
        % (path, what, found, expected),
        'find out whether somebody broke into the host, then hard-reboot the '
        'server', conditions.OTHER_PROCESS)
