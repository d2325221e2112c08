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

"""What becomes of a pVM when power fails, as it is reported."""

import dataclasses
import threading
import time

from nova_temporality.vpm import outcomes

FIXATED = outcomes.FIXATED
SKIPPED = outcomes.SKIPPED
FAILED = outcomes.FAILED

# After the deadline, until the engine's own verdict must be there.
_MARGIN_SECONDS = 0.05


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
    :ivar event: power.PowerEvent
    :ivar deadline_ns: CLOCK_MONOTONIC
    """

    def __init__(self, name, event, deadline_ns):
        self.name = name
        self.event = event
        self.deadline_ns = deadline_ns
        self._lock = threading.Lock()
        self._settled = threading.Event()
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

    def settle_as(self, outcome):
        """Set the outcome to what the engine says, an outcomes.Outcome."""
        self.settle(outcome.result, runstate=outcome.runstate or None,
                    stopped_ms=self._since_event_ms(outcome.stopped_ns),
                    saved_ms=self._since_event_ms(outcome.saved_ns),
                    fixated_ms=self._since_event_ms(outcome.fixated_ns),
                    reason=outcome.reason or None)

    def outcome(self):
        """Wait until the deadline, then give up; return the Outcome."""
        if not self._settled.wait(max(0, self.left()) + _MARGIN_SECONDS):
            # The worker is never waited for: what hangs it may hang for ever.
            self.settle(FAILED, reason='it is not known to be fixated at the '
                        'deadline; "temporality region list" shows whether '
                        'its state came to be')
        return self._outcome

    def wait_settled(self, timeout):
        """Wait until there is an outcome, some seconds at most."""
        self._settled.wait(max(0, timeout))

    def _since_event_ms(self, monotonic_ns):
        if not monotonic_ns:
            return None
        return round((monotonic_ns - self.event.monotonic_ns) / 1e6, 3)
