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

"""temporality region ..."""

from cliff import lister

from nova_temporality.cli import columns
from nova_temporality import vpm


class RegionList(lister.Lister):
    """List the regions: which server's memory, and is its state proven?"""

    def take_action(self, parsed_args):
        with vpm.Pool(self.app.conf.temporality.pool_path) as pool:
            rows = [_row(pool, region) for region in pool.regions()]
        return ('ID', 'Server', 'Sequence', 'Size', 'Epoch', 'Descriptor',
                'User ID', 'State', 'Reason'), rows


def _row(pool, region):
    try:
        pool.verify_state(region.id)
        state, reason = 'proven', None
    except vpm.Unproven as e:
        state, reason = 'unproven', str(e)
    return ('%016x' % region.id, region.name, region.sequence,
            columns.Size(region.size), region.epoch, region.descriptor,
            region.uid, state, reason)
