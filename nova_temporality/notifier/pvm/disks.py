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
may take long to sync, or hang. If power goes before, there is no note.
"""

import threading

from oslo_log import log as logging

from nova_temporality.host import disk_notes
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# QEMU's for files and devices of this host.
_DRIVERS = ('file', 'host_device')


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
    except (qmp_module.QmpError, vpm.VpmError, KeyError, TypeError,
            AttributeError) as e:
        LOG.warning('What the disks of %s are is not noted: %s', region.name,
                    e)
        return None
    thread = threading.Thread(
        target=_take, args=(pool.path, region, epoch, disks), daemon=True,
        name='disks-' + region.name)
    thread.start()
    return thread


def _written(qmp: qmp_module.QmpClient, timeout: float) -> list[str]:
    """Paths of the files and devices that a QEMU may write to."""
    nodes = qmp.command('query-named-block-nodes', {'flat': True},
                        timeout=timeout)
    return [node['file'] for node in nodes
            if node['drv'] in _DRIVERS and not node['ro']]


def _take(pool_path: str, region: vpm.RegionInfo, epoch: int,
          disks: list[str]) -> None:
    try:
        disk_notes.take(pool_path, region, epoch, disks)
    except OSError as e:
        LOG.warning('What the disks of %s are is not noted: %s', region.name,
                    e)
