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

"""Writes the servers to the vault when power fails, beside all other work."""

from collections import abc
import threading

from oslo_log import log as logging

from nova_temporality.vault import ahead as ahead_module
from nova_temporality.vault import writing
from nova_temporality import vpm

LOG = logging.getLogger(__name__)


class _Run:
    """One thread that writes.

    :ivar stop: set to have it end soon
    :ivar again: whether it is to begin again when it is through
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.again = False

    def check(self) -> None:
        if self.stop.is_set():
            raise writing.Stopped()


class VaultWriter:
    """Writes all servers of a pool to its vault, in a thread of its own.

    :param pool: that has a vault
    :param priorities: returns the priorities of servers by name
    :param tell: called from that thread with each server, see writing.write()
    :param done: called from it when all have been written, or have failed
    :param ahead: who has written some of it while servers ran
    """

    def __init__(self, pool: vpm.Pool,
                 priorities: abc.Callable[[], abc.Mapping[str, int]],
                 tell: writing.Tell, done: abc.Callable[[], object],
                 ahead: ahead_module.Ahead) -> None:
        self._pool = pool
        self._priorities = priorities
        self._tell = tell
        self._done = done
        self._ahead = ahead
        self._lock = threading.Lock()
        # The one that writes, unless it was stopped.
        self._run: _Run | None = None

    def begin(self) -> None:
        """Write all that is fixated by now; do not wait for that."""
        with self._lock:
            if self._run is not None:
                self._run.again = True
                return
            self._run = _Run()
            threading.Thread(target=self._work, args=(self._run,),
                             daemon=True, name='vault').start()

    def stop(self) -> None:
        """Write no more: servers are to run on. Waits for nothing."""
        with self._lock:
            if self._run is not None:
                self._run.stop.set()
                self._run = None

    def _work(self, run: _Run) -> None:
        is_through = False
        while not is_through:
            try:
                with self._ahead.stopped():
                    writing.write(self._pool, self._priorities(), self._tell,
                                  run.check, self._ahead)
            except writing.Stopped:
                LOG.warning('Servers are not written to the vault any more: '
                            'the outage was called off, or the notifier ends')
                return
            except Exception:
                LOG.exception('The vault could not be written')
            is_through = self._is_through(run)
        self._done()

    def _is_through(self, run: _Run) -> bool:
        """End a run, unless it is to begin again."""
        with self._lock:
            again, run.again = run.again, False
            if not again and self._run is run:
                self._run = None
            return not again
