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

"""What all who use it at once share equally: storage, processors."""

import heapq
import itertools


class Shared:
    """Something of a certain capacity, shared equally.

    :param env: simpy.Environment
    :param capacity: units of work in a second
    :param most: units of work in a second that one user can have
    :param opens: when it begins to work
    :ivar most_users: at a time
    :ivar work_done: units of all that was asked for
    """

    def __init__(self, env, capacity, most, opens=0.0):
        self._env = env
        self._capacity = capacity
        self._most = most
        self._opens = opens
        # Work that each user has had since the beginning, had it been there.
        self._had = 0.0
        self._since = 0.0
        self._ends = []
        self._order = itertools.count()
        self._round = 0
        self.most_users = 0
        self.work_done = 0.0

    def is_open(self):
        """Whether it works by now."""
        return self._env.now >= self._opens

    def use(self, work):
        """An event: so many units of work are done."""
        self._advance()
        done = self._env.event()
        heapq.heappush(self._ends, (self._had + work, next(self._order),
                                    done))
        self.most_users = max(self.most_users, len(self._ends))
        self.work_done += work
        self._plan()
        return done

    def _rate(self):
        return min(self._most, self._capacity / len(self._ends))

    def _advance(self):
        now = max(self._env.now, self._opens)
        if self._ends:
            self._had += (now - max(self._since, self._opens)) * self._rate()
        self._since = now

    def _plan(self):
        """Wake when the next user is done, unless somebody comes before."""
        self._round += 1
        left = max(0.0, self._ends[0][0] - self._had)
        waits = max(0.0, self._opens - self._env.now) + left / self._rate()
        self._env.timeout(waits, self._round).callbacks.append(self._wake)

    def _wake(self, event):
        if event.value != self._round:
            return
        self._advance()
        # The first is done, whatever rounding says.
        self._had = max(self._had, self._ends[0][0])
        while self._ends and self._ends[0][0] <= self._had:
            heapq.heappop(self._ends)[2].succeed()
        if self._ends:
            self._plan()
