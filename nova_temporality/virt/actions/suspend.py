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

from collections import abc
import time

import libvirt
from nova import exception as nova_exception
from oslo_log import log as logging

from nova_temporality import exception
from nova_temporality.notifier import client
from nova_temporality.virt import server as pvm_server
from nova_temporality.vpm import runlock

LOG = logging.getLogger(__name__)

# Seconds between two tries to end a QEMU.
_POLL = 1.0


def suspend(server: pvm_server.PersistentServer,
            end: abc.Callable[[], object]) -> None:
    """Fixate a pVM and have its QEMU end.

    :param end: ends its domain, and waits until libvirt has noticed
    :raises InstanceFaultRollback: it is not suspended and runs on
    """
    try:
        suspension = server.suspend()
        LOG.info('Suspended within %(ms).1f ms',
                 {'ms': suspension.fixated_ms}, instance=server.instance)
    except client.NotifierSilent as exc:
        if not settle(server, end):
            raise _runs_on(exc)
        return
    except client.NotifierError as exc:
        if server.is_active() or not server.is_proven():
            raise _runs_on(exc)
    end()


def settle(server: pvm_server.PersistentServer,
           end: abc.Callable[[], object]) -> bool:
    """Bring a suspension to an end of which nobody said how it went.

    Its QEMU perhaps stands still, or was told to end and takes long for that.
    The next notifier may let one that stands still run on. Otherwise it is
    ended here: its state is proven.

    :param end: see suspend()
    :returns: whether it is suspended
    """
    while True:
        try:
            with server.kept_still():
                if not server.is_proven():
                    return False
                end()
                return True
        except runlock.RunLockTimeout as exc:
            LOG.info('Waiting for the end of its suspension: %s', exc,
                     instance=server.instance)
        except libvirt.libvirtError as exc:
            LOG.warning('It is suspended as soon as its QEMU has ended: %s',
                        exc, instance=server.instance)
        time.sleep(_POLL)


def _runs_on(exc: Exception) -> nova_exception.InstanceFaultRollback:
    return nova_exception.InstanceFaultRollback(exception.NotPossible(
        reason='Cannot suspend, it runs on: %s' % exc))
