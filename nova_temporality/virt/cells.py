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

"""The NUMA cells that a pVM's guest sees.

Nova pins the vCPUs of each to a cell of the host. Its memory is all in the
pool, wherever that lies.
"""

from __future__ import annotations

from nova import objects
from nova.virt import hardware
from oslo_utils import units

from nova_temporality.qemu import srat


def of(instance: objects.Instance) -> srat.Cells | None:
    """What flavor and image ask for; None if that is one cell, or none.

    It is the same whenever and wherever it is asked, and so is the numbering
    of vCPUs: that of a rescue image is not considered.
    """
    flavor, image = instance.flavor, instance.image_meta
    wanted = hardware.numa_get_constraints(flavor, image)
    if wanted is None or len(wanted.cells) == 1:
        return None
    cpus = hardware.get_best_cpu_topology(flavor, image)
    return srat.Cells(
        tuple(srat.Cell(frozenset(cell.total_cpus), cell.memory * units.Mi)
              for cell in wanted.cells),
        cpus.sockets, cpus.cores, cpus.threads)
