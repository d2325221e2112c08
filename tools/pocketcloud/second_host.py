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

"""The second compute host, for migrations and evacuations.

Its nova-compute runs under eventlet, the first host's in native threads. While
it is there, the disks of both hosts' servers are on storage that both see,
unless they shall be each on its host's own.
"""

import functools
import shutil

from pocketcloud import config
from pocketcloud import database
from pocketcloud import disk
from pocketcloud import graph
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import services
from pocketcloud import tenant

HOSTS = layout.FIRST, layout.SECOND


def tasks():
    """What brings it up beside the first one, as tasks for the graph."""
    found = host.tasks(layout.SECOND)
    # Restarted with another directory for the servers' disks.
    found['nova-compute'] = (), services.of_host('nova-compute').start
    found['host-mapping2'] = ('nova-compute2',), database.map_host
    for which in HOSTS:
        name = 'nova-compute' + which.number
        found['service-of-' + which.name] = (name,), functools.partial(
            tenant.wait_compute_service, which)
    return found


def _schedule(enabled):
    """Let Nova choose it for servers, or not.

    Its service is never deleted: Nova could not distinguish a new one of the
    same name from the deleted one.
    """
    compute = tenant.connect().compute
    change = (compute.enable_service if enabled else compute.disable_service)
    for service in compute.services(host=layout.SECOND.name):
        change(service)


def _link_disk(which):
    which.own.mkdir(exist_ok=True)
    link = which.own / 'disk'
    if not link.is_symlink():
        link.symlink_to(which.disk)


def up(report, shared=True):
    """Bring it up; the cloud is up already.

    It may be up, too, to change where the disks are; there are no servers
    then.

    :param report: see graph.run()
    :param shared: whether servers' disks are on storage that both hosts see
    """
    layout.SECOND.run.mkdir(exist_ok=True)
    config.render_hosts(HOSTS, shared)
    for which in HOSTS:
        _link_disk(which)
    # A nova-compute that finds itself disabled tells Placement so, and may do
    # that again after it was enabled.
    _schedule(True)
    graph.run(tasks(), report)
    # Nova does not sync its files. A power cut right after the start would
    # lose the host's identity.
    for which in HOSTS:
        disk.sync_host_disk(which)


def down():
    """Stop it; no server may be left on it."""
    _schedule(False)
    for _line in host.shut_down(layout.SECOND):
        pass
    services.disconnect_second()
    shutil.rmtree(layout.SHARED)
    config.render()
    services.of_host('nova-compute').start()
    tenant.wait_compute_service()
