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

"""What the NVDIMMs below a pVM count, noted while there is time.

Nothing is read or written for it between a power failure and the marker.
"""

from oslo_log import log as logging

from nova_temporality.host import nvdimm_notes
from nova_temporality.notifier import persistence_domain
from nova_temporality import vpm

LOG = logging.getLogger(__name__)


class Counters:
    """The counters of dirty shutdowns, for one pVM.

    :param pool: that has its memory
    :param region: of its memory
    :param platform: that knows the NVDIMMs
    """

    def __init__(self, pool: vpm.Pool, region: vpm.RegionInfo,
                 platform: persistence_domain.Platform) -> None:
        self._pool = pool
        self._region = region
        self._platform = platform
        self._noted_epoch: int | None = None

    def note(self) -> None:
        """Note them for the present epoch, unless they are noted already.

        They do not change until the host is booted again. To be called before
        the pVM is armed.
        """
        if not self._platform.nvdimms and not self._platform.is_dram:
            return
        epoch = self._pool.lookup(self._region.name).epoch
        if epoch == self._noted_epoch:
            return
        try:
            nvdimm_notes.take(self._pool.path, self._region, epoch,
                              self._platform.nvdimms,
                              is_dram=self._platform.is_dram)
        except OSError as e:
            LOG.warning('What the NVDIMMs of %s count is not noted: %s',
                        self._region.name, e)
        else:
            self._noted_epoch = epoch
