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

"""python -m tempestrun.power_cut: the power fails, and comes back.

The power outage detector tells of it first, as it does in the demonstration.
"""

import os
import sys
import time

from demo import scenario
from pocketcloud import client
from pocketcloud import graph
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import services
from pocketcloud import tenant


def _last_outage():
    return client.temporality('status')['last_outage']


def fixate():
    """Raise the POD's signal; wait until all is on NVRAM."""
    engine = services.of_host('engine')
    before = _last_outage()
    os.kill(engine.record.read().pid, scenario.POD_SIGNAL)
    deadline = time.monotonic() + client.PATIENCE
    while _last_outage() == before:
        if time.monotonic() > deadline:
            sys.exit('fixation is not acknowledged within %d s'
                     % client.PATIENCE)
        time.sleep(0.05)


def main():
    """From the signal until the host takes servers again."""
    layout.require_state()
    fixate()
    print(host.power_cut())
    graph.run(host.tasks(), lambda *args: None)
    tenant.wait_compute_service()


if __name__ == '__main__':
    main()
