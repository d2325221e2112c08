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

"""One outage of a region, from the return of power until all servers run."""

import collections
import dataclasses
import random

import simpy

from bench.region import evacuator
from bench.region import host as region_host
from bench.region import queues
from bench.region import sharing

# Seconds after which a region counts as stuck.
_LONGEST = 6 * 3600


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a region; times in seconds since power is back.

    :ivar p50, p95, p100: when so many percent of the servers ran; None: never
    :ivar ends: how many servers were resumed, booted and evacuated
    :ivar robbed: servers that ran when their evacuation was accepted
    :ivar asked: evacuations that were asked for
    :ivar timeouts: questions that nova-conductor did not answer in time
    :ivar failed: tries of recoveries that failed
    :ivar questions: that nova-conductor answered
    :ivar conductor, database: share of its time in the busiest ten seconds
    :ivar waited: longest wait for nova-conductor
    :ivar storage: most users of the storage at a time, for each host
    :ivar read: work of storage, in seconds of one host's share, for each host
    """

    p50: float | None
    p95: float | None
    p100: float | None
    ends: dict[str, int]
    robbed: int
    asked: int
    timeouts: int
    failed: int
    questions: int
    conductor: float
    database: float
    waited: float
    storage: float
    read: float


class Network:
    """Neutron's servers, which bind and wire ports."""

    def __init__(self, env, inputs):
        self._env = env
        self._queue = queues.Queue(
            max(1, round(inputs['neutron_workers'] / inputs['scale'])),
            inputs['neutron_seconds'])

    def ask(self):
        """Have a port bound and wired."""
        yield self._env.timeout(
            self._queue.done(self._env.now) - self._env.now)


class Region:
    """All hosts, and what they share.

    :param inputs: figures by name, see inputs.py
    :param seed: of chance
    :param away: when nova-conductor is away again: pairs of instants
    """

    def __init__(self, inputs, seed=1, away=()):
        self.inputs = inputs
        self.env = simpy.Environment()
        self.chance = random.Random(seed)
        self.nova = queues.ControlPlane(
            self.env, inputs, [(0.0, inputs['control_plane_back']), *away])
        self.network = Network(self.env, inputs)
        count = max(1, round(inputs['hosts'] / inputs['scale']))
        self.storage = sharing.Shared(
            self.env, count, inputs['storage_most'], inputs['storage_back'])
        self.failed_tries = self.evacuations_asked = self.robbed = 0
        self.hosts = [
            region_host.Host(self, inputs['host_boot'] + self.chance.uniform(
                0, inputs['host_spread'])) for _ in range(count)]
        self._left = sum(len(host.servers) for host in self.hosts)
        self._all_end = self.env.event()
        if inputs['evacuator']:
            self.env.process(evacuator.run(self))

    def end(self, server, how):
        """Note what became of a server.

        :param how: "resumed", "booted" or "evacuated"
        """
        if how == 'evacuated' and server.ends:
            # It ran here, and Nova moved it all the same.
            self.robbed += 1
        else:
            self._left -= 1
        server.ends.append((self.env.now, how))
        if not self._left:
            self._all_end.succeed()

    def run(self):
        """Simulate until all servers run; return an Outcome."""
        self.env.run(self._all_end | self.env.timeout(_LONGEST))
        servers = [server for host in self.hosts for server in host.servers]
        times = sorted(server.ends[0][0] for server in servers if server.ends)

        def when(percent):
            needed = -(-len(servers) * percent // 100)
            return round(times[needed - 1], 1) if (
                needed <= len(times)) else None

        conductor, count = self.nova.conductor, len(self.hosts)
        return Outcome(
            when(50), when(95), when(100),
            dict(sorted(collections.Counter(
                server.ends[-1][1] for server in servers
                if server.ends).items())),
            self.robbed, self.evacuations_asked, self.nova.timeouts,
            self.failed_tries, conductor.served(),
            round(conductor.peak(), 3), round(self.nova.database.peak(), 3),
            round(conductor.longest_wait, 2),
            round(self.storage.most_users / count, 2),
            round(self.storage.work_done / count, 2))


def run(inputs, seed=1, away=()):
    """Simulate one outage; see Region."""
    return Region(inputs, seed, away).run()
