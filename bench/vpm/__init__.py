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

"""Virtual persistent memory against Linux swap, and the pager's own cost.

Every part takes the parsed command line and returns what it adds to the
result.
"""

from bench.vpm import compare
from bench.vpm import dram
from bench.vpm import floor
from bench.vpm import policy

PARTS = {
    'uniform': compare.uniform,
    'zipf': compare.zipf,
    'seq': compare.seq,
    'floor': floor.floor,
    'policy': policy.policy,
    'dram': dram.dram,
}
