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

That is what libvpm says of a pause: pages that leave memory ahead of need, and
the scrubbing of what was freed. Renewed as long as there is a reason, and
over soon when the notifier is not there any more.
"""

import threading

from oslo_log import log as logging

from nova_temporality import vpm

LOG = logging.getLogger(__name__)

_PAUSE_NS = 5 * 10**9
# Seconds between two looks whether there is a reason.
_INTERVAL = 1.0


class Background:
    """Pauses background work.

    :param pool: vpm.Pool
    :ivar paused: why background work waits, in words; None if it does not
    """

    def __init__(self, pool):
        self.paused = None
        self._pool = pool
        self._reasons = []
        self._look = threading.Event()
        # What an earlier notifier left is ended, or renewed.
        self._ended = False
        self._error = None

    def pause_while(self, reason):
        """Add a function that returns a reason in words, or None."""
        self._reasons.append(reason)

    def start(self):
        """Start the thread, which ends with the process."""
        threading.Thread(target=self._work, daemon=True,
                         name='background').start()

    def look(self):
        """Have it see at once whether there is a reason; do not wait."""
        self._look.set()

    def _work(self):
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

    def step(self):
        """See whether there is a reason, and act upon it."""
        reasons = (reason() for reason in self._reasons)
        reason = next(filter(None, reasons), None)
        if reason:
            self._pool.pause(_PAUSE_NS)
            self._ended = False
        elif not self._ended:
            self._pool.pause(0)
            self._ended = True
            # It may take long, and be paused again meanwhile.
            threading.Thread(target=self._scrub, daemon=True,
                             name='scrub').start()
        if reason and not self.paused:
            LOG.warning('Background work is paused: %s', reason)
        elif self.paused and not reason:
            LOG.warning('Background work goes on')
        self.paused = reason

    def _scrub(self):
        try:
            self._pool.finish_freed()
        except vpm.VpmError as e:
            LOG.error('What was freed cannot be scrubbed; its space stays '
                      'used: %s', e)
