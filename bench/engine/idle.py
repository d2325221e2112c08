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

"""What the engine and the notifier cost while nothing happens."""

import os
import time

from bench.engine import site

PVMS = 300
# As by default.
_INTERVAL_MS = 500
# Until all has settled down.
_WAIT_SECONDS = 3


def measure(seconds):
    """Return the CPU time of both, in percent of one core."""
    with site.Site(PVMS) as host:
        host.start_qemus(['pvm-%03d' % i for i in range(PVMS)])
        host.start_notifier(_INTERVAL_MS)
        host.wait_armed()
        time.sleep(_WAIT_SECONDS)
        pids = host.pids()
        begun = time.monotonic()
        before = {name: _cpu_seconds(pid) for name, pid in pids.items()}
        time.sleep(seconds)
        after = {name: _cpu_seconds(pid) for name, pid in pids.items()}
        passed = time.monotonic() - begun
        load = os.getloadavg()[0]
    parts = {name: (after[name] - before[name]) / passed * 100
             for name in pids}
    return {
        'idle_cpu_percent': round(sum(parts.values()), 2),
        'idle_cpu': {**{name: round(part, 2) for name, part in parts.items()},
                     'pvms': PVMS, 'seconds': round(passed, 1),
                     'host_load': round(load, 2)}}


def _cpu_seconds(pid):
    with open('/proc/%d/stat' % pid, encoding='utf-8') as stat:
        # The name, in brackets, may hold anything.
        fields = stat.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
