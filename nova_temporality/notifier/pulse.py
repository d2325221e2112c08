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

"""Whether the threads that matter still work, for systemd's watchdog.

The main loop alone proves nothing: servers would not be fixated if the thread
that decides hung, and nobody could call an outage off if the control socket
was not served.
"""

import threading
import time

# Seconds after which a thread that has shown no sign of life hangs. Fixating
# and verifying all pVMs takes less.
_PATIENCE = 20.0
# Seconds within which a thread has to wake up to show one.
INTERVAL = 1.0


class Pulse:
    """Signs of life; to be used by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beats: dict[str, float] = {}
        self._threads: list[threading.Thread] = []

    def beat(self, name: str) -> None:
        """Show a sign of life, from now on at least every INTERVAL.

        :param name: of the thread
        """
        with self._lock:
            self._beats[name] = time.monotonic()

    def watch(self, thread: threading.Thread) -> None:
        """Have a thread watched that may wait for as long as it likes.

        :param thread: that was started, and never ends
        """
        with self._lock:
            self._threads.append(thread)

    def problem(self) -> str | None:
        """Say which threads have died or hang, in words; None if none."""
        now = time.monotonic()
        with self._lock:
            ill = ['the thread %s shows no sign of life since %d seconds'
                   % (name, now - beat)
                   for name, beat in sorted(self._beats.items())
                   if now - beat > _PATIENCE]
            ill += ['the thread %s has ended' % thread.name
                    for thread in self._threads if not thread.is_alive()]
        return '; '.join(ill) or None
