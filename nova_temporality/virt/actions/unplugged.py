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
"""A device that left a running pVM when nobody waited for it.

A guest may let go of a device long after Nova gave a detachment up, or eject
one unasked. libvirt takes it out of the domain and says so.
"""

from __future__ import annotations

import threading

from nova import exception as nova_exception
from oslo_log import log as logging

from nova_temporality.virt import server as pvm_server

LOG = logging.getLogger(__name__)


def follow(server: pvm_server.PersistentServer) -> threading.Thread:
    """Have the record of a pVM's machine follow, in a thread of its own.

    Whoever tells of events must not wait: a detachment that holds the
    server's lock waits for the next one.
    """
    thread = threading.Thread(target=_follow, args=(server,), daemon=True,
                              name='unplugged-' + server.uuid)
    thread.start()
    return thread


def _follow(server: pvm_server.PersistentServer) -> None:
    try:
        server.follow_machine()
    except nova_exception.InstanceNotFound as exc:
        LOG.error('A device left its machine, and that is not on record yet: '
                  '%s. nova-compute does it at its next start', exc,
                  instance=server.instance)
