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

"""A thread that does one job after the other, and an idle job in between."""

from collections import abc
import concurrent.futures
import queue
import threading
import time
from typing import Any
from typing import ParamSpec
from typing import TypeVar

# Seconds after which a job hangs; all that it waits for takes less.
_PATIENCE = 120.0

_P = ParamSpec('_P')
_T = TypeVar('_T')


class Worker:
    """Ends with the process, or by close().

    :param name: of the thread
    :param idle: called whenever there was no job for that long
    :param interval: returns the seconds
    :param end: called last
    """

    def __init__(self, name: str, idle: abc.Callable[[], object],
                 interval: abc.Callable[[], float],
                 end: abc.Callable[[], object]) -> None:
        self._idle = idle
        self._interval = interval
        self._end = end
        self._jobs: queue.SimpleQueue[
            tuple[concurrent.futures.Future[Any],
                  abc.Callable[[], Any]] | None] = queue.SimpleQueue()
        # time.monotonic() of the latest sign of life; None while it waits.
        self._alive_at: float | None = None
        self._thread = threading.Thread(target=self._work, daemon=True,
                                        name=name)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread.is_alive()

    @property
    def hangs(self) -> bool:
        """Whether a job has shown no sign of life for long."""
        alive_at = self._alive_at
        return (alive_at is not None and
                time.monotonic() - alive_at > _PATIENCE)

    def beat(self) -> None:
        """Show a sign of life; for jobs that may last."""
        self._alive_at = time.monotonic()

    def submit(self, function: abc.Callable[_P, _T], *args: _P.args,
               **kwargs: _P.kwargs) -> 'concurrent.futures.Future[_T]':
        """Have a function called after the earlier jobs; return at once."""
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()
        self._jobs.put((future, lambda: function(*args, **kwargs)))
        return future

    def close(self) -> None:
        """End the thread when the jobs so far are done; do not wait."""
        self._jobs.put(None)

    def _work(self) -> None:
        while True:
            self._alive_at = None
            try:
                job = self._jobs.get(timeout=self._interval())
            except queue.Empty:
                self.beat()
                self._idle()
                continue
            self.beat()
            if job is None:
                break
            future, function = job
            try:
                future.set_result(function())
            except Exception as e:
                future.set_exception(e)
        self._end()
