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

"""python -m labhost start NUMBER | recover"""

import itertools
import os
import sys
import traceback
import uuid

from nova import context as nova_context

from labhost import control_plane
from labhost import guest
from labhost import recovery
from labhost import servers
from labhost import settings


def start(driver, context, number):
    """Make servers of each kind by turns; wait until they check themselves."""
    made = [str(uuid.uuid4()) for _ in range(number)]
    for one, kind in zip(made, itertools.cycle(servers.KINDS)):
        servers.make(one, kind)
        servers.start(driver, context, one)
    for one in made:
        guest.wait_running(one)


def main(command, *arguments):
    settings.load()
    context = nova_context.get_admin_context()
    with control_plane.ControlPlane().there() as plane:
        driver = settings.compute_driver()
        if command == 'start':
            start(driver, context, *map(int, arguments))
        else:
            recovery.recover_all(plane, driver, context)


try:
    main(*sys.argv[1:])
    code = 0
except Exception:
    traceback.print_exc()
    code = 1
sys.stdout.flush()
# Nova's threads never end.
os._exit(code)
