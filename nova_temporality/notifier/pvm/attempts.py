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

"""One attempt to fixate a pVM, and what is reported about it."""

import dataclasses
import threading
import time

from nova_temporality.notifier import power
from nova_temporality.qemu import words
from nova_temporality.vpm import outcomes

FIXATED = outcomes.FIXATED
SKIPPED = outcomes.SKIPPED
FAILED = outcomes.FAILED

# Seconds after the deadline in which the engine's own outcome must be there.
_MARGIN_SECONDS = 0.05


@dataclasses.dataclass(frozen=True)
class PvmReport:
    """What became of one pVM in an outage: its part of the outage's report.

    The times are milliseconds since the event.

    :ivar result: FIXATED, SKIPPED (there was nothing to save) or FAILED
    :ivar runstate: QEMU's, before the stop
    :ivar stopped_ms: vCPUs stood still and block I/O was drained
    :ivar saved_ms: QEMU had delivered its state
    :ivar fixated_ms: the marker was durable
    :ivar state_size: bytes
    :ivar reason: why it is not fixated; perhaps in words of QEMU, so they
                  are made printable
    """

    name: str
    result: str
    runstate: str | None = None
    stopped_ms: float | None = None
    saved_ms: float | None = None
    fixated_ms: float | None = None
    state_size: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.reason is not None:
            object.__setattr__(self, 'reason', words.printable(self.reason))


class Attempt:
    """The fixation of one pVM; settled once, by its worker or a deadline.

    :ivar name: of the pVM
    :ivar event: power.PowerEvent
    :ivar deadline_ns: CLOCK_MONOTONIC
    """

    def __init__(self, name: str, event: power.PowerEvent,
                 deadline_ns: int) -> None:
        self.name = name
        self.event = event
        self.deadline_ns = deadline_ns
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._report: PvmReport | None = None

    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return (self.deadline_ns - time.monotonic_ns()) / 1e9

    def settle(self, result: str, *, runstate: str | None = None,
               stopped_ms: float | None = None,
               saved_ms: float | None = None,
               fixated_ms: float | None = None,
               reason: str | None = None) -> PvmReport:
        """Set the report unless there is one; return the one that counts.

        The parameters are fields of PvmReport.
        """
        with self._lock:
            if self._report is None:
                self._report = PvmReport(
                    self.name, result, runstate=runstate,
                    stopped_ms=stopped_ms, saved_ms=saved_ms,
                    fixated_ms=fixated_ms, reason=reason)
                self._settled.set()
            return self._report

    def settle_as(self, outcome: outcomes.Outcome) -> None:
        """Set the report to what the engine says, unless there is one."""
        self.settle(outcome.result, runstate=outcome.runstate or None,
                    stopped_ms=self._since_event_ms(outcome.stopped_ns),
                    saved_ms=self._since_event_ms(outcome.saved_ns),
                    fixated_ms=self._since_event_ms(outcome.fixated_ns),
                    reason=outcome.reason or None)

    def wait_report(self) -> PvmReport:
        """Wait for the report until the deadline; give up then."""
        self._settled.wait(max(0, self.left()) + _MARGIN_SECONDS)
        # The worker is not waited for longer: it may hang for ever.
        return self.settle(
            FAILED, reason='it is not known to be fixated at the deadline; '
            '"temporality region list" shows whether its state was saved')

    def wait_settled(self, timeout: float) -> None:
        """Wait until there is a report.

        :param timeout: seconds to wait at most; none if negative
        """
        self._settled.wait(max(0, timeout))

    def _since_event_ms(self, monotonic_ns: int) -> float | None:
        if not monotonic_ns:
            return None
        return round((monotonic_ns - self.event.monotonic_ns) / 1e6, 3)
