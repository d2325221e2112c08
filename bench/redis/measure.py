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

"""SET and GET at the plain server and at pVMs, in turns.

One server runs at a time; the others stand still. So each of them has the
machine for itself, and whatever else changes with time hits all of them.
"""

import contextlib
import random
import statistics

from bench.redis import client
from bench.redis import servers

# So many fill the memory. With a tenth more the guest's kernel drops the code
# of its programs all the time, and reads it again.
KEYS = 38000
# SET is done in so many pieces. The servers take turns, piece by piece.
SLICES = 20
# redis-benchmark's own number; it sends one request at a time.
CONNECTIONS = 50
# The other extreme: the least work of the guest for a request.
PIPELINE = {'connections': 1, 'batch': 50}
PATTERNS = {'get': client.uniform, 'get_zipf': client.zipf}


class _Run:
    """What is measured at some servers."""

    def __init__(self, stack, args):
        self._stack = stack
        self._args = args
        self._servers = []
        self._clients = {}
        self.rates = {}
        self.faults = {}

    def start(self, site, mrrs):
        """Boot a plain server and those with some residences."""
        for mrr in (servers.PLAIN, *mrrs):
            one = self._stack.enter_context(
                servers.Server(site, self._args.image, mrr))
            one.wait_serving()
            print('  %s is up' % one.name, flush=True)
            self._servers.append(one)

    def _clients_of(self, **how):
        """One Client for each server."""
        for one in self._servers:
            with one.running():
                self._clients[one.mrr] = self._stack.enter_context(
                    client.Client(one.port, **how))

    def _turn(self, server, commands, seconds=float('inf')):
        """Let a server run; return requests, seconds, and faults."""
        before = server.stats()
        with server.running():
            count, took = self._clients[server.mrr].run(commands, seconds)
        faults = server.stats().faults - before.faults if before else 0
        return count, took, faults

    def fill(self):
        """SET one key after the other."""
        self._clients_of(connections=CONNECTIONS)
        turns = {one.mrr: [] for one in self._servers}
        for part in range(SLICES):
            keys = range(KEYS * part // SLICES, KEYS * (part + 1) // SLICES)
            for one in self._servers:
                turns[one.mrr].append(self._turn(
                    one, map(client.set_command, keys)))
        for one in self._servers:
            self._keep('set', one, turns[one.mrr])
            self.rates['set', one.mrr] = KEYS / sum(
                took for _, took, _ in turns[one.mrr])

    def get(self, what, **how):
        """GET keys of one of PATTERNS."""
        pattern = PATTERNS[what]
        self._clients_of(**(how or {'connections': CONNECTIONS}))
        name = what + ('_pipelined' if how else '')
        turns = {one.mrr: [] for one in self._servers}
        streams = {one.mrr: map(client.get_command, pattern(
            KEYS, random.Random(1))) for one in self._servers}
        for number in range(self._args.rounds + 1):
            for one in self._servers:
                found = self._turn(one, streams[one.mrr], self._args.seconds)
                # The first one warms it up.
                if number:
                    turns[one.mrr].append(found)
        for one in self._servers:
            self._keep(name, one, turns[one.mrr])
            self.rates[name, one.mrr] = statistics.median(
                count / took for count, took, _ in turns[one.mrr])

    def _keep(self, what, server, turns):
        """Faults per second, for each turn, over the server's own time."""
        now, points = 0, []
        for _, took, faults in turns:
            now += took
            points.append((round(now, 3), round(faults / took, 1)))
        if server.mrr != servers.PLAIN:
            self.faults['%s_mrr%d' % (what, server.mrr)] = points

    def report(self):
        """Return ratios by key, and print all that was seen."""
        ratios = {}
        for (what, mrr), rate in self.rates.items():
            if mrr == servers.PLAIN:
                print('  %-18s plain      %8.1f requests/s' % (what, rate))
                continue
            ratio = rate / self.rates[what, servers.PLAIN]
            ratios['redis_%s_mrr%d' % (what, mrr)] = round(ratio, 3)
            points = self.faults['%s_mrr%d' % (what, mrr)]
            print('  %-18s MRR %3d %%  %8.1f requests/s, %.3f of plain, '
                  '%.1f faults/s at the end' % (
                      what, mrr, rate, ratio, points[-1][1]))
        for one in self._servers:
            print('  %s: %s' % (one.name, one.stats()), flush=True)
        return ratios


def measure(mrrs, args):
    """Return ratios to the plain server, by key, and faults over time.

    :param mrrs: residences in percent
    """
    with servers.site(args, len(mrrs)) as site, \
            contextlib.ExitStack() as stack:
        run = _Run(stack, args)
        run.start(site, mrrs)
        run.fill()
        for what in PATTERNS:
            run.get(what)
        for what in PATTERNS:
            run.get(what, **PIPELINE)
        return run.report(), run.faults
