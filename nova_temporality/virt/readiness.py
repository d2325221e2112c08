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

"""Whether this host could fixate a server now.

One that could not takes no new pVMs: servers that nobody protects would be no
better off here than elsewhere. Those that are there stay.
"""

from __future__ import annotations

from collections import abc
import threading
import time

from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality.notifier import health as notifier_health
from nova_temporality.privsep import health

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# Seconds between two looks.
_INTERVAL = 5.0

# Seconds for which a new server waits for what is restarted.
_PATIENCE = 10.0
_POLL = 0.5


class Readiness:
    """Asks the notifier, and tells when the answer is another one."""

    def __init__(self, changed: abc.Callable[[], object]) -> None:
        """Make ready.

        :param changed: called from a thread when Placement was told otherwise
        """
        self._changed = changed
        self._lock = threading.Lock()
        # Codes of what was in the way at the latest look.
        self._logged: set[str] = set()
        # Whether something was when Placement was told.
        self._reported: bool | None = None
        self._never = threading.Event()

    def watch(self) -> None:
        """Look again and again from now on, so that Placement knows soon."""
        threading.Thread(target=self._watch, name='readiness',
                         daemon=True).start()

    def problem_for_placement(self) -> str | None:
        """Why it could not, in words, for who tells Placement now.

        :returns: None if it could
        """
        found = self._look()
        self._reported = bool(found)
        return _in_words(found)

    def problem_for_server(self) -> str | None:
        """The same, for a new server, which waits for what is restarted."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = self._look()
            if (not found.keys() & notifier_health.PERHAPS_RESTARTED or
                    time.monotonic() >= deadline):
                return _in_words(found)
            self._never.wait(_POLL)

    def _look(self) -> dict[str, str]:
        """Ask the notifier; log what is another answer than the last one."""
        found = health.obstacles(CONF.temporality.run_dir)
        with self._lock:
            before, self._logged = self._logged, set(found)
        if found and set(found) != before:
            LOG.error('This host could not fixate a server now, and takes no '
                      'new persistent ones: %s. See "temporality health"',
                      _in_words(found))
        elif before and not found:
            LOG.info('This host could fixate a server again, and takes new '
                     'persistent ones')
        return found

    def _watch(self) -> None:
        said = ''
        while not self._never.wait(_INTERVAL):
            try:
                found = bool(self._look())
                if self._reported is not None and found != self._reported:
                    self._changed()
                said = ''
            except Exception as exc:
                if str(exc) != said:
                    said = str(exc)
                    LOG.error('Placement is not told at once whether this '
                              'host takes persistent servers: %s', exc)


def _in_words(found: abc.Mapping[str, str]) -> str | None:
    return ', '.join('%s (%s)' % one for one in found.items()) or None
