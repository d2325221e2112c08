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

import os
import select
import signal

from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.notifier.pvm import conditions
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.spec import priority

# Seconds for an answer while power is good.
PATIENCE = 2.0


class Qemu:
    """Keeps a connection to the latest QEMU of a pVM.

    :param region: vpm.RegionInfo of its memory
    :param run_dir: [temporality] run_dir
    :param arming: arming.Arming of the pVM, which is opened with the first
                   connection, and disarmed before one is closed
    :ivar qmp: the QmpClient, or None
    :ivar priority: of the pVM, as this QEMU was given
    :ivar prepared: whether this QEMU was checked and prepared
    :ivar seen_live: whether its vCPUs were seen to run since the last stop
    :ivar route: what route.choose() said about it, None before
    :ivar route_problem: the same
    """

    def __init__(self, region, run_dir, arming):
        self.qmp = None
        self.priority = priority.DEFAULT
        self.prepared = False
        self.seen_live = False
        self.route = None
        self.route_problem = None
        self._region = region
        self._run_dir = run_dir
        self._arming = arming

    def reach(self, timeout):
        """Connect if need be; return QEMU's run state.

        :raises: conditions.NotArmed, qmp.QmpError
        """
        if self.qmp is not None:
            try:
                return migration.runstate(self.qmp, timeout)
            except qmp_module.QmpTimeout:
                raise
            except qmp_module.QmpConnectionError:
                pass  # that QEMU has ended; there may be another one
        self.disconnect()
        self._connect(timeout)
        return migration.runstate(self.qmp, timeout)

    def lives(self):
        """Whether its vCPUs run."""
        try:
            return self.reach(PATIENCE) in migration.LIVE_RUNSTATES
        except (qmp_module.QmpError, conditions.NotArmed):
            return False

    def connect_for_engine(self, timeout):
        """Return a QmpClient of the same QEMU, to be used for one event.

        :raises: conditions.NotArmed, qmp.QmpError
        """
        path = paths.fixate_socket(self._run_dir, self._region.name)
        qmp = self._open(path, timeout)
        if qmp.pid != self.qmp.pid:
            qmp.close()
            raise _served_by_another(path, 'process', qmp.pid, self.qmp.pid)
        return qmp

    def disconnect(self):
        """Let go of it, as it is."""
        self.prepared = False
        self._arming.disarm()
        if self.qmp is not None:
            self.qmp.close()
            self.qmp = None

    def quit(self, kill=False):
        """End it; return whether it has ended.

        :param kill: whether to insist
        """
        process = os.pidfd_open(self.qmp.pid)
        try:
            try:
                self.qmp.command('quit', timeout=PATIENCE)
            except qmp_module.QmpConnectionError:
                pass  # it may be gone before it has answered
            self.disconnect()
            ready, _, _ = select.select([process], [], [], PATIENCE)
            if not ready and kill:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                ready, _, _ = select.select([process], [], [], PATIENCE)
        finally:
            os.close(process)
        return bool(ready)

    def _connect(self, timeout):
        qmp = self._open(paths.watch_socket(self._run_dir,
                                            self._region.name), timeout)
        try:
            self._arming.open()
        except BaseException:
            qmp.close()
            raise
        self.qmp = qmp
        self.route = None
        self.priority = notes.read_priority(self._run_dir, self._region.name)
        self.prepared = False
        self.seen_live = False

    def _open(self, path, timeout):
        try:
            qmp = qmp_module.QmpClient(path, timeout)
        except qmp_module.QmpRefused:
            raise conditions.NotArmed(conditions.OFF)
        # Its directory belongs to QEMU, which could put anything there.
        if self._region.uid not in (0, qmp.uid):
            qmp.close()
            raise _served_by_another(path, 'user id', qmp.uid,
                                     self._region.uid)
        return qmp


def _served_by_another(path, what, found, expected):
    return conditions.NotArmed(
        conditions.NOT_ARMED, '%s is served by %s %d instead of %d'
        % (path, what, found, expected),
        'look for an intruder; reboot the server hard')
