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

"""Storage that does not answer, when a user has a pVM booted.

A boot holds the server's lock. If the storage of its disks hangs (a dead NFS,
an iSCSI target), whoever would delete the server waits for that lock, perhaps
for ever. So storage is waited for before.
"""

from __future__ import annotations

from lxml import etree
from nova import context as nova_context
from nova import exception as nova_exception
from oslo_log import log as logging

from nova_temporality.privsep import regions
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt import server as pvm_server

LOG = logging.getLogger(__name__)

# Seconds after which it is told that storage does not answer.
_SILENCE = 60.0


def wait(server: pvm_server.PersistentServer) -> None:
    """Wait for the storage of a pVM's disks as libvirt has them.

    The server's lock must not be held. Volumes that are not connected yet are
    left to who connects them.

    :raises Gone, NotOwner: meanwhile it is not this host's any more
    """
    paths = _paths(server)
    while paths:
        try:
            regions.touch_disks(server.uuid, paths, _SILENCE)
            return
        except regions.StorageSilent as exc:
            LOG.warning('It is not booted yet: %s', exc,
                        instance=server.instance)
            ownership.confirm_here(nova_context.get_admin_context(),
                                   server.uuid)


def _paths(server: pvm_server.PersistentServer) -> list[str]:
    try:
        xml = server.guest().get_xml_desc()
    except nova_exception.InstanceNotFound:
        return []
    sources = etree.fromstring(xml).findall('devices/disk/source')
    return [path for path in (source.get('file') or source.get('dev')
                              for source in sources) if path]
