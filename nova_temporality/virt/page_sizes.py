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

"""The pages that a server wants its memory in (``hw:mem_page_size``).

Nova reads flavor and image. To it they are pages of the host's hugetlbfs; a
pVM's memory is in them where the medium of the pool gives them.
"""

from __future__ import annotations

from nova import objects
from nova.virt import hardware

from nova_temporality import exception
from nova_temporality.host import large_pages
from nova_temporality.spec import sizing

# In MiB; memory is counted in them.
_LARGE_MB = large_pages.LARGE_KB // 1024
# Whoever wants any takes what the medium gives.
_WITHOUT_DEMAND = (None, hardware.MEMPAGES_ANY, hardware.MEMPAGES_SMALL,
                   large_pages.SMALL_KB)


def wants_large(flavor: objects.Flavor,
                image_meta: objects.ImageMeta) -> bool:
    """Whether a server has to get pages of 2 MiB."""
    return _size(hardware.numa_get_constraints(
        flavor, image_meta)) not in _WITHOUT_DEMAND


def check(flavor: objects.Flavor,
          topology: objects.InstanceNUMATopology | None) -> None:
    """Refuse pages that a pVM has on no host.

    :param flavor: that it has, or shall be resized to
    :param topology: what flavor and image ask for
    :raises NotPossible: naming the value and the remedy
    """
    size = _size(topology)
    if size in _WITHOUT_DEMAND:
        return
    if size not in (hardware.MEMPAGES_LARGE, large_pages.LARGE_KB):
        exception.refuse(
            'pages of %s KiB: Linux maps files in NVRAM with 4 KiB or 2 MiB' %
            size, 'set hw:mem_page_size to small, any, large or 2048')
    if sizing.nvram_mb(flavor.memory_mb, flavor.extra_specs) < (
            flavor.memory_mb):
        exception.refuse(
            'large pages with less NVRAM than memory: they would be paged as '
            'a whole', 'use a flavor with hw:mem_page_size=small, or without '
            'temporality:mrr and temporality:nvram_mb')
    for cell in topology.cells if topology else []:
        if cell.memory % _LARGE_MB:
            exception.refuse(
                '%d MiB of memory in pages of 2 MiB' % cell.memory,
                'use a flavor whose memory is a multiple of that, in each '
                'NUMA cell')


def _size(topology: objects.InstanceNUMATopology | None) -> int | None:
    """KiB, or one of Nova's MEMPAGES_; the same in all cells."""
    return topology.cells[0].pagesize if topology else None
