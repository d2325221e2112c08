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

"""How the daemons begin on a host that has no pool yet."""

from collections.abc import Callable
import time

from nova_temporality.host import paths
from nova_temporality.notifier.reports import systemd

# Seconds between two looks.
_INTERVAL = 1.0


def wait(pool_path: str, say: Callable[[str], None]) -> None:
    """Return when there is a pool.

    Until then there is no server to protect. A daemon that ended would be
    started again and again, and one that is not ready would keep libvirt from
    starting, which orders itself after it.

    :param say: is called with what an operator has to know
    """
    if paths.holds_pool(pool_path):
        return
    problem = ('Waiting, because there is no pool %s; create one with '
               '"temporality pool create", or mount the NVRAM on which it lies'
               % pool_path)
    say(problem)
    systemd.notify('READY=1\nSTATUS=' + problem)
    while not paths.holds_pool(pool_path):
        time.sleep(_INTERVAL)
        systemd.notify('WATCHDOG=1')
