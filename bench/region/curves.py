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

"""The questions that are put to the simulation, a curve for each."""

import dataclasses

from bench.region import inputs
from bench.region import model

# Hosts of a region, and how many of them one of the simulation stands for.
HOSTS = {1: 1, 10: 1, 100: 1, 1000: 8, 3000: 24, 10000: 24}

# A host with many servers, and two regions that ask much of Nova.
FULL = {'hosts': 1, 'servers_per_host': 200, 'host_spread': 0}
LARGE = {
    '10,000 hosts with 20': {'hosts': 10000, 'scale': 24},
    '1,000 hosts with 200': {'hosts': 1000, 'scale': 24,
                             'servers_per_host': 200},
}

# What recovery did before these curves were drawn.
BEFORE = {'asking': 0}


def _row(key, away=(), **others):
    outcome = model.run(inputs.figures(**others), away=away)
    return {**key, **dataclasses.asdict(outcome)}


def hosts():
    """Resumed against booted afresh, over the number of hosts."""
    ways = {
        'resumed': {},
        'resumed, all at once': BEFORE,
        'booted': {'servers_per_host': 0, 'ordinary_servers_per_host': 20},
    }
    return [_row({'hosts': count, 'way': way}, hosts=count, scale=scale,
                 **others)
            for way, others in ways.items()
            for count, scale in HOSTS.items()]


def parallel():
    """How many QEMUs of one host are started at a time."""
    return [_row({'parallel': count, 'processors': processors}, **FULL,
                 parallel=count, host_processors=processors)
            for processors in (8, 32) for count in (1, 2, 4, 8, 16, 32)]


def asking():
    """How many servers of a host ask Nova at a time; 0 is all."""
    where = {**LARGE, 'one host with 200': FULL}
    return [_row({'asking': count, 'where': name}, **others, asking=count)
            for name, others in where.items() for count in (0, 1, 2, 4, 8)]


def retry():
    """The longest delay between tries, while storage refuses for long."""
    return [_row({'delay_max': longest, 'jitter': jitter,
                  'back': back}, hosts=50, delay_max=longest,
                 jitter=jitter, storage_back=back)
            for back in (900, 3600) for jitter in (0, 0.5)
            for longest in (30, 60, 120, 300, 600)]


def stumble():
    """nova-conductor is away again for two minutes, amid the recoveries."""
    return [_row({'jitter': jitter, 'asking': count}, away=[(400, 520)],
                 hosts=1000, scale=8, jitter=jitter, asking=count)
            for count in (0, 2) for jitter in (0, 0.5)]


def control_plane():
    """When Nova is back, and how long an evacuator waits for a host."""
    return [_row({'back': back, 'patience': patience}, hosts=100,
                 evacuator=1, control_plane_back=back,
                 evacuator_patience=patience)
            for patience in (60, 240, 900) for back in (0, 300, 600, 1200)]


def beside():
    """Ordinary servers that Nova boots on the same hosts."""
    return [_row({'ordinary': count}, hosts=50,
                 ordinary_servers_per_host=count)
            for count in (0, 5, 10, 20, 50)]


def sensitivity():
    """Each uncertain figure at its lowest and highest.

    When 95 % of a region of 1,000 hosts are resumed, and booted.
    """
    rows = []
    for name, entry in {'': {}, **inputs.read()}.items():
        if name and 'low' not in entry:
            continue
        for bound in ('low', 'high') if name else ('',):
            other = {name: entry[bound]} if name else {}
            few = {'hosts': 1000, 'scale': 16, **other}
            booted = dict(few)
            booted['ordinary_servers_per_host'] = other.get(
                'servers_per_host', 20)
            booted['servers_per_host'] = 0
            rows.append({
                'figure': name, 'bound': bound,
                'resumed': model.run(inputs.figures(**few)).p95,
                'booted': model.run(inputs.figures(**booted)).p95})
    return rows


ALL = {one.__name__: one for one in (
    hosts, parallel, asking, retry, stumble, control_plane, beside,
    sensitivity)}
