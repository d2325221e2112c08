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

"""A program that evacuates servers whose host is down, as Masakari does."""

from bench.region import host as region_host
from bench.region import queues

# Seconds between two looks at all hosts.
_INTERVAL = 10


def run(region):
    """Look at all hosts, and evacuate those that are down for long."""
    env, inputs = region.env, region.inputs
    yield env.timeout(inputs['control_plane_back'] +
                      inputs['evacuator_start'])
    down_since = {}
    while True:
        for host in region.hosts:
            if host.is_up():
                down_since.pop(host, None)
            elif (env.now - down_since.setdefault(host, env.now) >=
                    inputs['evacuator_patience']):
                del down_since[host]
                yield from _evacuate(region, host)
        yield env.timeout(_INTERVAL)


def _evacuate(region, host):
    """Have all servers of a host evacuated, one after the other."""
    inputs = region.inputs
    for server in host.servers:
        if server.is_taken or (
                not server.is_persistent and server.ends):
            continue
        yield region.env.timeout(
            inputs['evacuator_seconds'] * inputs['scale'])
        region.evacuations_asked += 1
        if host.is_up() or not any(one.is_up() for one in region.hosts):
            # Nova's API refuses it, or the scheduler finds no valid host.
            continue
        server.is_taken = True
        region.env.process(_elsewhere(region, server))


def _elsewhere(region, server):
    inputs = region.inputs
    questions = inputs['evacuator_questions']
    while questions:
        try:
            yield from region.nova.ask()
            questions -= 1
        except queues.TimedOut:
            pass
    yield from region_host.boot(region)
    region.end(server, 'evacuated')
