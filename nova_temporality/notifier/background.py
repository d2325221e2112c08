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

"""Background work on this host waits while power is failing, or may fail.

Background work moves pages out of memory ahead of need, and scrubs what was
freed; see the pause of a pool in vpm.h. The pause is renewed as long as there
is a reason. It ends soon after the notifier has ended.

What was freed and not scrubbed, because of a pause, or because a process or
the host ended meanwhile, is scrubbed here, beside everything else: nobody
waits for that at a start, and after a crash it goes on where it was.
"""

from collections import abc
import threading

from oslo_log import log as logging

from nova_temporality import vpm

LOG = logging.getLogger(__name__)

_PAUSE_NS = 5 * 10**9
# Seconds between two looks whether there is a reason.
_INTERVAL = 1.0
# So many looks after the end of one scrub the next one begins.
_LOOKS = 60


class Background:
    """Pauses background work.

    :param pool: whose work is paused
    :ivar paused: why background work waits, in words; None if it does not
    """

    def __init__(self, pool: vpm.Pool) -> None:
        self.paused: str | None = None
        self._pool = pool
        self._reasons: list[abc.Callable[[], str | None]] = []
        self._look = threading.Event()
        # A pause of an earlier notifier is ended, or renewed.
        self._ended = False
        self._error: str | None = None
        self._scrubbing: threading.Thread | None = None
        self._looks = 0
        self._scrub_error: str | None = None

    def pause_while(self, reason: abc.Callable[[], str | None]) -> None:
        """Add a function that returns a reason in words, or None."""
        self._reasons.append(reason)

    def start(self) -> None:
        """Start the thread, which ends with the process."""
        threading.Thread(target=self._work, daemon=True,
                         name='background').start()

    def look(self) -> None:
        """Look for a reason now; do not wait for that."""
        self._look.set()

    def _work(self) -> None:
        while True:
            try:
                self.step()
                self._error = None
            except vpm.VpmError as e:
                if str(e) != self._error:
                    LOG.error('Cannot pause background work: %s', e)
                self._error = str(e)
            self._look.wait(_INTERVAL)
            self._look.clear()

    def step(self) -> None:
        """Look for a reason; pause, or end the pause."""
        reasons = (reason() for reason in self._reasons)
        reason = next(filter(None, reasons), None)
        if reason:
            self._pool.pause(_PAUSE_NS)
            self._ended = False
        elif not self._ended:
            self._pool.pause(0)
            self._ended = True
            self._looks = 0
        if not reason:
            self._start_scrub()
        if reason and not self.paused:
            LOG.warning('Background work is paused: %s', reason)
        elif self.paused and not reason:
            LOG.warning('Background work goes on')
        self.paused = reason

    def _start_scrub(self) -> None:
        """Scrub what was freed now and then; do not wait for that."""
        if self._scrubbing and self._scrubbing.is_alive():
            return
        if self._looks == 0:
            # This may take long, and be paused again meanwhile.
            self._scrubbing = threading.Thread(
                target=self._scrub, daemon=True, name='scrub')
            self._scrubbing.start()
        self._looks = (self._looks + 1) % _LOOKS

    def _scrub(self) -> None:
        try:
            self._pool.finish_freed()
            self._scrub_error = None
        except vpm.VpmError as e:
            if str(e) != self._scrub_error:
                LOG.error('Freed memory cannot be scrubbed, so its space '
                          'stays used: %s', e)
            self._scrub_error = str(e)
