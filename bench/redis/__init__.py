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

"""Redis in pVMs with less NVRAM than memory: the papers' figures 4 and 5.

A part has a plain server of its own, which its ratios are to, and takes less
than four minutes with --seconds 2.
"""

from bench.redis import measure
from bench.redis import results


def _part(*mrrs):
    def run(args):
        ratios, faults = measure.measure(mrrs, args)
        results.add(args.disk, ratios, faults)
        return ratios
    return run


# The ratios that have goals are in the first part.
PARTS = {'redis': _part(100, 80, 60), 'redis-more': _part(90, 70, 50)}
