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

"""What is done before a planned reboot where NVRAM is ordinary DRAM."""

from oslo_log import log as logging

from nova_temporality.host import memory_sums
from nova_temporality.host import nvdimm_notes
from nova_temporality import vpm

LOG = logging.getLogger(__name__)


def make_ready(pool: vpm.Pool) -> dict[str, str]:
    """Note the checksums of all memories whose states are proven.

    Those of suspended servers among them. All QEMUs have ended, or stand
    still.

    :returns: why it could not be done, by names of pVMs
    """
    failures = {}
    for region in pool.regions():
        try:
            state = nvdimm_notes.proven_state(pool, region)
        except vpm.VpmError:
            continue
        try:
            memory_sums.take(pool.path, region, state.epoch,
                             nvdimm_notes.boot_id())
        except OSError as e:
            failures[region.name] = (
                'it would not survive the reboot: the checksum of its memory '
                'could not be noted (%s)' % e)
            LOG.error('%s: %s', region.name, failures[region.name])
    return failures
