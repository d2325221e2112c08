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
"""Notes what a pVM's disks are, once it is fixated.

That is done in a thread of its own, after all that the fixation needs: a disk
may take long to sync, or hang. If power goes before, there is no note. Disks
that only QEMU can reach are looked at before, in the pVM's own thread, because
QEMU has to be asked. That is bounded.
"""

import threading

from oslo_log import log as logging

from nova_temporality.host import disk_notes
from nova_temporality.qemu import nbd
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.qemu import remote_disks
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# Seconds for all disks that only QEMU can reach.
_REMOTE_PATIENCE = 2.0


def take(pool: vpm.Pool, region: vpm.RegionInfo, qmp: qmp_module.QmpClient,
         timeout: float) -> threading.Thread | None:
    """Have the disks of a fixated pVM noted; return the thread that does.

    If the pVM is let run meanwhile, the note is of a state that is stale.

    :param qmp: connected to its QEMU
    :param timeout: seconds for QEMU's answer
    """
    try:
        epoch = pool.lookup(region.name).epoch
        disks = _written(qmp, timeout)
        remote = _remote(qmp, region.name)
    except (qmp_module.QmpError, vpm.VpmError, KeyError, TypeError,
            AttributeError) as e:
        LOG.warning('What the disks of %s are is not noted: %s', region.name,
                    e)
        return None
    thread = threading.Thread(
        target=_take, args=(pool.path, region, epoch, disks, remote),
        daemon=True, name='disks-' + region.name)
    thread.start()
    return thread


def _written(qmp: qmp_module.QmpClient, timeout: float) -> list[str]:
    """Paths of the files and devices that a QEMU may write to."""
    nodes = qmp.command('query-named-block-nodes', {'flat': True},
                        timeout=timeout)
    return [node['file'] for node in nodes
            if node['drv'] in remote_disks.LOCAL_DRIVERS and not node['ro']]


def _remote(qmp: qmp_module.QmpClient,
            name: str) -> dict[str, disk_notes.Disk]:
    """What the disks that only QEMU can reach are, as far as they answer.

    :param name: of the pVM
    """
    try:
        found = remote_disks.sample(qmp, _REMOTE_PATIENCE)
    except (qmp_module.QmpError, nbd.NbdTimeout, OSError) as e:
        LOG.warning('What remote disks of %s hold is not noted: %s', name, e)
        return {}
    for disk, what in found.items():
        if isinstance(what, str):
            LOG.warning('What the remote disk %s of %s holds is not noted: '
                        '%s', disk, name, what)
    return {disk: what for disk, what in found.items()
            if not isinstance(what, str)}


def _take(pool_path: str, region: vpm.RegionInfo, epoch: int,
          disks: list[str], remote: dict[str, disk_notes.Disk]) -> None:
    try:
        disk_notes.take(pool_path, region, epoch, disks, remote)
    except OSError as e:
        LOG.warning('What the disks of %s are is not noted: %s', region.name,
                    e)
