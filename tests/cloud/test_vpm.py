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

"""The demonstration of virtual persistent memory, with one small server."""

from demo import paged
from demo import timeline

from tests.cloud import helpers


def test_power_fails_in_the_midst_of_swapping(cloud):
    sizes = paged.Sizes(servers=1, memory_mb=320, mrr=30, keys=50000,
                        length=2048)
    cut = paged.PagedPowerCut(sizes, timeline.Timeline())
    try:
        cut.run()
        [server] = cut.servers
        assert server.keys_after == sizes.keys
        assert helpers.allocations(server.uuid)['CUSTOM_NVRAM_MB'] == 96
        region = helpers.regions()[server.uuid]
        assert region.size == 96 << 20
        assert region.virtual_size == 320 << 20
        assert cut.regions_before[server.name]['In Swap'] > 0
        assert 'MRR, after' in [row[0] for row in cut.summary_rows()]
    finally:
        cut.clean_up()
