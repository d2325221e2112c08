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

"""How many misses the default policy saves."""

import contextlib
import statistics

from oslo_utils import units

from bench.vpm import memories

POLICIES = ('fifo', 's3fifo')


def policy(args):
    """Misses per access with zipf(0.99), of FIFO and of the default."""
    size = args.size * units.Mi
    misses = {name: [] for name in POLICIES}
    rates = {name: [] for name in POLICIES}
    with contextlib.ExitStack() as stack:
        stack.enter_context(memories.mappings())
        pool = stack.enter_context(memories.pool(args, 2 * size))
        regions = {name: stack.enter_context(memories.Vpm(
            pool, args, size, page_size=4 * units.Ki, policy=name))
            for name in POLICIES}
        for region in regions.values():
            region.start()
            region.run('fill')
            region.run('zipf', int(args.seconds * 1000), 1)
        for _ in range(args.rounds):
            for name, region in regions.items():
                answer = region.run('zipf', int(args.seconds * 1000), 1)
                misses[name].append(answer['swap_ins'] / answer['accesses'])
                rates[name].append(answer['accesses'] * 1e9 / answer['ns'])
                print('  %-6s %.4f misses and %.4f refaults per access, '
                      '%.0f accesses/s' % (
                          name, misses[name][-1],
                          answer['refaults'] / answer['accesses'],
                          rates[name][-1]), flush=True)
    return {
        'second_vpm_policy_gain': round(
            statistics.median(misses['fifo']) /
            statistics.median(misses['s3fifo']), 3),
        'second_vpm_policy_speed': round(
            statistics.median(rates['s3fifo']) /
            statistics.median(rates['fifo']), 3),
    }
