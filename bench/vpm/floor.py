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

"""What a fault without I/O costs, over the least that it can cost.

With FIFO every first touch is a fault; with clusters the neighbours come, too.
All threads share one processor. On several processors the time that another
one takes to wake up would be measured. In a virtual machine that is 10 µs or
50, by chance, for both.
"""

import contextlib
import json
import os
import statistics
import subprocess
import tempfile

from oslo_utils import units

from bench.vpm import memories
from bench.vpm import programs

PAGES = 8192


@contextlib.contextmanager
def _one_processor():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _touch_vpm(args, page_size):
    # Large enough that no page is evicted.
    size = PAGES * page_size * 2
    with memories.pool(args, size) as pool, \
            memories.Vpm(pool, args, size, page_size=page_size,
                         policy='fifo') as region:
        region.start()
        return region.run('touch', page_size)['ns'][:PAGES]


def _touch_bare(args, page_size):
    with tempfile.NamedTemporaryFile(dir=args.nvram) as file:
        os.posix_fallocate(file.fileno(), 0, PAGES * page_size)
        output = subprocess.run(
            [programs.build('bare'), str(PAGES * page_size), str(page_size),
             file.name], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output)['ns']


def _ratio(args, page_size):
    medians = {'bare': [], 'VPM': []}
    for _ in range(args.rounds):
        for name, touch in (('bare', _touch_bare), ('VPM', _touch_vpm)):
            times = touch(args, page_size)
            medians[name].append(statistics.median(times) / 1000)
            print('  %-5s first touch of %2d KiB: %.1f us in the median, '
                  '%.1f at least' % (name, page_size // units.Ki,
                                     medians[name][-1], min(times) / 1000),
                  flush=True)
    return round(statistics.median(medians['VPM']) /
                 statistics.median(medians['bare']), 3)


def floor(args):
    """First touches, which take a frame and a durable entry in the PPT."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(memories.mappings())
        stack.enter_context(_one_processor())
        return {'fault_floor_ratio': _ratio(args, 4 * units.Ki),
                'fault_floor_ratio_64k': _ratio(args, 64 * units.Ki)}
