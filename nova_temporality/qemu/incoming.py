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

"""Loading a fixated state into an empty QEMU."""

import socket
import time

from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality import vpm
from nova_temporality.vpm import engine


class RecoveryError(Exception):
    """QEMU did not load the state. It cannot be used any further.

    The state itself is unchanged and stays proven.
    """


def load_state(qmp: qmp_module.QmpClient, pool: vpm.Pool,
               region: vpm.RegionInfo, timeout: float) -> vpm.StateInfo:
    """Load a region's fixated state into a QEMU that waits for it.

    QEMU must have been started on the region's RAM file and with
    ``-incoming defer``. On return it has the state, and its vCPUs are stopped.
    The state is still proven. So the caller has to call
    ``pool.begin_epoch()`` before "cont", both under the RunLock.

    :param qmp: connection to that QEMU
    :param pool: that the region is in
    :param region: whose state it is
    :param timeout: seconds
    :returns: what was loaded; the server ran before the outage if its run
              state is in migration.LIVE_RUNSTATES
    :raises vpm.VpmError: the state is not proven
    :raises RecoveryError: QEMU did not take it
    """
    info = pool.verify_state(region.id)
    deadline = time.monotonic() + timeout
    try:
        _load(qmp, pool, region, deadline)
    except qmp_module.QmpError as e:
        raise RecoveryError('cannot load the state of %s: %s'
                            % (region.name, e))
    return info


def _load(qmp: qmp_module.QmpClient, pool: vpm.Pool, region: vpm.RegionInfo,
          deadline: float) -> None:
    runstate = migration.runstate(qmp, _left(deadline))
    if runstate != 'inmigrate':
        raise RecoveryError(
            'QEMU of %s does not wait for a state, its run state is "%s"; '
            'start it with -incoming defer' % (region.name, runstate))
    migration.set_ignore_shared(qmp, True, _left(deadline))
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            qmp.getfd(engine.STREAM_NAME, theirs.fileno(), _left(deadline))
        # QEMU answers at once and then reads while we send.
        qmp.command('migrate-incoming',
                    {'uri': migration.URI, 'exit-on-error': False},
                    timeout=_left(deadline))
        problem = _send(pool, region, ours, deadline)
    _wait_loaded(qmp, region, deadline, problem)
    migration.set_ignore_shared(qmp, False, _left(deadline))


def _send(pool: vpm.Pool, region: vpm.RegionInfo, sock: socket.socket,
          deadline: float) -> vpm.VpmError | None:
    """Send the state; return the error if that fails."""
    try:
        # A QEMU that hangs must not make us hang.
        pool.send_state(region.id, sock, deadline)
    except vpm.DeadlineExceeded as e:
        raise RecoveryError('QEMU of %s hangs while it loads its state: %s' %
                            (region.name, e))
    except vpm.SystemCallFailed as e:
        # Mostly a broken pipe. Only QEMU knows the reason.
        return e
    return None


def _wait_loaded(qmp: qmp_module.QmpClient, region: vpm.RegionInfo,
                 deadline: float, problem: vpm.VpmError | None) -> None:
    while True:
        status, reason = migration.status(qmp, _left(deadline))
        if status == 'completed':
            return
        if status == 'failed':
            raise RecoveryError(
                "QEMU cannot load the state of %s: %s%s. See QEMU's own log" %
                (region.name, reason, ' (%s)' % problem if problem else ''))
        if _left(deadline) <= 0:
            raise RecoveryError('QEMU has not loaded the state of %s in '
                                'time' % region.name)
        time.sleep(migration.POLL_SECONDS)


def _left(deadline: float) -> float:
    return deadline - time.monotonic()
