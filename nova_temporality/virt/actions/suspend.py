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

"""Suspending a pVM: by a fixation, however large its memory is."""

from __future__ import annotations

from nova import exception as nova_exception
from oslo_log import log as logging

from nova_temporality import exception
from nova_temporality.notifier import client
from nova_temporality.virt import server as pvm_server

LOG = logging.getLogger(__name__)


def suspend(server: pvm_server.PersistentServer) -> None:
    """Fixate a pVM and have its QEMU end.

    :raises InstanceFaultRollback: it is not suspended and runs on
    """
    try:
        suspension = server.suspend()
        LOG.info('Suspended within %(ms).1f ms',
                 {'ms': suspension.fixated_ms}, instance=server.instance)
    except client.NotifierError as exc:
        if server.is_active() or not server.is_proven():
            raise nova_exception.InstanceFaultRollback(
                exception.NotPossible(
                    reason='Cannot suspend, it runs on: %s' % exc))
