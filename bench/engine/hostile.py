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

"""A QEMU that was broken into, beside a fixation that is measured.

Some pVMs are fixated again and again. In every other round one QEMU for each
kind of flood writes to the engine and to the notifier without end. These QEMUs
run only when nobody else wants to, in all rounds: what counts is what they
make of the engine and the notifier, not what they take themselves. Nor does
what else runs on the machine: all the others go before it.
"""

import os
import statistics
import time

from bench.engine import qemus
from bench.engine import site
from bench.fixation import machines
from nova_temporality.native import _vpm
from nova_temporality.notifier import power
from nova_temporality.vpm import engine
from nova_temporality.vpm import outcomes

_MEASURED = ['measured-%d' % i for i in range(4)]
_INTERVAL_MS = 100
_TIMEOUT_NS = 20 * 10**9
_NICE = -15


def measure(rounds):
    """Return the 50th and 99th percentile of both, and how they compare."""
    # Also of those that are started.
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    with site.Site(len(_MEASURED) + len(qemus.FLOODS)) as host:
        regions = {}
        for name in _MEASURED:
            regions.update(host.start_qemus([name]).regions)
        hostile = {kind: host.start_qemus(['hostile-' + kind], idle=True)
                   for kind in qemus.FLOODS}
        host.start_notifier(_INTERVAL_MS)
        host.wait_armed()
        asks = engine.Engine(host.run_dir)
        if not asks.wait_connected(machines.PATIENCE):
            raise RuntimeError('the engine does not answer')
        taken = {False: [], True: []}
        load = os.getloadavg()[0]
        for number in range(2 * rounds):
            flooded = bool(number % 2)
            for kind, one in hostile.items():
                one.tell(*(('flood', kind) if flooded else ('calm',)))
            taken[flooded] += _round(host, asks, regions)
    calm, flooded = (_percentiles(taken[one]) for one in (False, True))
    return {
        'hostile_p99_ratio': round(flooded['p99'] / calm['p99'], 3),
        'hostile': {'fixation_ms': flooded, 'fixation_alone_ms': calm,
                    'rounds': rounds, 'host_load': round(load, 2)}}


def _round(host, asks, regions):
    """Fixate those that are measured; return the milliseconds of each."""
    keys = [{'region': region.id, 'created_ns': region.created_ns}
            for region in regions.values()]
    for key in keys:
        machines.wait_for(lambda: asks.ask(
            _vpm.lib.VPM_REQUEST_LOOK, **key).said.unit.state == engine.ARMED,
            'armed', 0.05)
    now = time.monotonic_ns()
    for key in keys:
        asks.ask(_vpm.lib.VPM_REQUEST_FIRE, **key, event={
            'wall_ns': time.time_ns(), 'monotonic_ns': now,
            'deadline_ns': now + _TIMEOUT_NS,
            # The notifier lets them run on by itself.
            'raised_by': power.DRILL.encode()})

    def ended():
        found = [one for one in outcomes.read(host.pool)
                 if one.signal_ns == now]
        return found if len(found) == len(keys) else None
    found = machines.wait_for(ended, 'all outcomes', 0.05)
    failed = [one.reason for one in found if one.result != outcomes.FIXATED]
    if failed:
        raise RuntimeError(failed[0])
    return [(one.fixated_ns - one.signal_ns) / 1e6 for one in found]


def _percentiles(values):
    values = sorted(values)
    return {'p50': round(statistics.median(values), 3),
            'p99': round(values[min(len(values) - 1,
                                    int(len(values) * 0.99))], 3)}
