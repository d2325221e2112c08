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

"""First come, first served: what asks Nova has to pass.

All requests of a queue take equally long, and come in the order of their
times. So it is known when one comes when it will be done.
"""

import collections
import heapq

# Seconds over which a load is averaged; the peak is that of the busiest.
WINDOW = 10


class Queue:
    """Workers that each do one request at a time.

    :param seconds: that a worker needs for a request
    :param away: pairs of instants between which nothing is begun
    :ivar longest_wait: in seconds
    """

    def __init__(self, workers, seconds, away=()):
        self.seconds = seconds
        self.longest_wait = 0.0
        self._workers = workers
        self._away = sorted(away)
        self._free = [0.0] * workers
        self._begun = collections.Counter()

    def done(self, now, deadline=float('inf')):
        """When a request that comes now is done.

        :param deadline: nothing is begun after it; the request is dropped
        :returns: None if it is dropped
        """
        begin = max(now, self._free[0])
        for start, end in self._away:
            if start <= begin < end:
                begin = end
        self.longest_wait = max(self.longest_wait, min(begin, deadline) - now)
        if begin > deadline:
            return None
        heapq.heapreplace(self._free, begin + self.seconds)
        self._begun[int(begin // WINDOW)] += 1
        return begin + self.seconds

    def served(self):
        """How many requests were not dropped."""
        return self._begun.total()

    def peak(self):
        """Share of the workers' time in the busiest window."""
        busiest = max(self._begun.values(), default=0)
        return busiest * self.seconds / (self._workers * WINDOW)


class TimedOut(Exception):
    """Nova did not answer in time."""


class ControlPlane:
    """The message bus, nova-conductor and the database, one after the other.

    :param env: simpy.Environment
    :param inputs: figures by name, see inputs.py
    :param away: see Queue
    :ivar timeouts: number of questions that were not answered in time
    """

    def __init__(self, env, inputs, away=()):
        scale = inputs['scale']
        self._env = env
        self._timeout = inputs['rpc_timeout']
        self.bus = Queue(1, scale * 2 / inputs['bus_messages'])
        self.conductor = Queue(
            max(1, round(inputs['conductor_workers'] / scale)),
            inputs['conductor_seconds'], away)
        self.database = Queue(
            max(1, round(inputs['database_workers'] / scale)),
            inputs['database_seconds'])
        self.timeouts = 0

    def ask(self, questions=1):
        """Put questions, one after the other.

        :raises TimedOut: one was not answered
        """
        for _ in range(questions):
            asked = self._env.now
            deadline = asked + self._timeout
            done = self.conductor.done(self.bus.done(asked), deadline)
            if done is not None:
                done = self.database.done(done)
            if done is None or done > deadline:
                self.timeouts += 1
                yield self._env.timeout(self._timeout)
                raise TimedOut
            yield self._env.timeout(done - asked)
