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

"""Fixation of one pVM: from running vCPUs to a proven state."""

import dataclasses
import socket
import threading
import time

from nova_temporality import migration
from nova_temporality import vpm

FIXATED = 'fixated'
SKIPPED = 'skipped'
FAILED = 'failed'


class FixationError(Exception):
    """A pVM could not be fixated; its state is unproven."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one pVM in an outage.

    The times are milliseconds since the event.

    :ivar result: FIXATED, SKIPPED (nothing to be saved) or FAILED
    :ivar runstate: QEMU's, before the stop
    :ivar stopped_ms: vCPUs stood still and block I/O was drained
    :ivar saved_ms: QEMU had delivered its state
    :ivar fixated_ms: the marker was durable
    :ivar state_size: bytes
    :ivar reason: why not
    """

    name: str
    result: str
    runstate: str = None
    stopped_ms: float = None
    saved_ms: float = None
    fixated_ms: float = None
    state_size: int = None
    reason: str = None


class Attempt:
    """The fixation of one pVM, settled once: by its worker or at a deadline.

    :ivar name: of the pVM
    :ivar event: sources.PowerEvent
    :ivar deadline_ns: CLOCK_MONOTONIC
    """

    def __init__(self, name, event, deadline_ns):
        self.name = name
        self.event = event
        self.deadline_ns = deadline_ns
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._committing = False
        self._outcome = None

    def left(self):
        """Seconds until the deadline; negative after it."""
        return (self.deadline_ns - time.monotonic_ns()) / 1e9

    def settle(self, result, **details):
        """Set the outcome unless it is set already."""
        with self._lock:
            if self._outcome is None:
                self._outcome = Outcome(self.name, result, **details)
                self._settled.set()

    def begin_commit(self):
        """Say that the marker is about to be set.

        :raises: FixationError when the attempt was given up
        """
        with self._lock:
            if self._outcome is not None or self.left() <= 0:
                raise FixationError('QEMU saved its state too late')
            self._committing = True

    def outcome(self):
        """Wait until the deadline, then give up; return the Outcome."""
        if not self._settled.wait(max(0, self.left())):
            # The worker is never waited for: what hangs it may hang for ever.
            self.settle(FAILED, reason=(
                'its state was still being persisted at the deadline; '
                '"temporality region list" shows whether it came to be'
                if self._committing else
                'not fixated at the deadline'))
        return self._outcome

    def since_event_ms(self, monotonic_ns):
        """Milliseconds from the event to an instant."""
        return round((monotonic_ns - self.event.monotonic_ns) / 1e6, 3)


def save(qmp, fixation, attempt, runstate):
    """Stop a pVM, save its state and prove it.

    :param qmp: QmpClient of its QEMU, after migration.prepare_save()
    :param fixation: vpm.Fixation that was begun
    :param attempt: Attempt; settled if all goes well
    :param runstate: before the event
    :raises: FixationError, qmp.QmpError, vpm.VpmError; then the state is
             unproven, the vCPUs may stand still and a save may be under way
    """
    qmp.command('stop', timeout=attempt.left())
    stopped_ns = time.monotonic_ns()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            qmp.getfd(migration.FD_NAME, theirs.fileno(), attempt.left())
        qmp.command('migrate', {'uri': migration.URI},
                    timeout=attempt.left())
        fixation.receive(ours, attempt.deadline_ns)
    _wait_saved(qmp, attempt)
    saved_ns = time.monotonic_ns()
    attempt.begin_commit()
    fixated_ns = fixation.commit(vpm.FixationMeta(
        wall_ns=attempt.event.wall_ns, signal_ns=attempt.event.monotonic_ns,
        stopped_ns=stopped_ns, saved_ns=saved_ns, runstate=runstate,
        producer='qemu ' + qmp.version))
    attempt.settle(FIXATED, runstate=runstate,
                   stopped_ms=attempt.since_event_ms(stopped_ns),
                   saved_ms=attempt.since_event_ms(saved_ns),
                   fixated_ms=attempt.since_event_ms(fixated_ns))


def _wait_saved(qmp, attempt):
    """Make sure that the stream's end was not a failure's.

    QEMU flushes the disks between "stop" and completion; if it cannot, the
    save fails.
    """
    while True:
        status, reason = migration.status(qmp, attempt.left())
        if status == 'completed':
            break
        if status in ('failed', 'cancelled'):
            raise FixationError('QEMU cannot save its state: %s'
                                % (reason or status))
        _check_deadline(attempt, 'complete its save')
    while migration.runstate(qmp, attempt.left()) != 'postmigrate':
        _check_deadline(attempt, 'finish its save')


def _check_deadline(attempt, what):
    if attempt.left() <= 0:
        raise FixationError('QEMU did not %s before the deadline' % what)
    time.sleep(migration.POLL_SECONDS)
