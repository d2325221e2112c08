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

"""A thread that does one job after the other, and looks around meanwhile."""

import concurrent.futures
import queue
import threading


class Worker:
    """Ends with the process, or by close().

    :param name: of the thread
    :param look: function to be called whenever there was no job for a while
    :param interval: seconds that this takes
    :param end: function to be called last
    """

    def __init__(self, name, look, interval, end):
        self._look = look
        self._interval = interval
        self._end = end
        self._jobs = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True, name=name).start()

    def submit(self, function, *args):
        """Have a function called in its turn; return a Future."""
        future = concurrent.futures.Future()
        self._jobs.put((future, function, args))
        return future

    def close(self):
        """End the thread when the jobs so far are done; do not wait."""
        self._jobs.put(None)

    def _work(self):
        while True:
            try:
                job = self._jobs.get(timeout=self._interval)
            except queue.Empty:
                self._look()
                continue
            if job is None:
                break
            future, function, args = job
            try:
                future.set_result(function(*args))
            except Exception as e:
                future.set_exception(e)
        self._end()
