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

"""Runs measurements; the last line of output has the results, as JSON.

Without names of parts all are run. A part may be run alone, for they do not
depend on each other; what is compared with each other is in one part.
"""

import argparse
import json
import os
import pathlib
import sys

import bench
from bench import redis
from bench import vpm

PARTS = {**vpm.PARTS, **redis.PARTS}


def arguments():
    """Parse the command line."""
    state = os.environ.get('STATE', '/var/tmp/temporality')
    parser = argparse.ArgumentParser(
        prog='python -m bench', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART',
                        help='one of: ' + ', '.join(PARTS))
    parser.add_argument('--size', type=int, default=256, metavar='MIB',
                        help='of the memory that is used (%(default)s)')
    parser.add_argument('--seconds', type=float, default=3,
                        help='of each single measurement (%(default)s)')
    parser.add_argument('--rounds', type=int, default=3,
                        help='of which the median counts (%(default)s)')
    parser.add_argument('--nvram', default='/dev/shm', metavar='DIR',
                        help='where the pool is made (%(default)s)')
    parser.add_argument('--disk', default=os.environ.get('STATE', '/var/tmp'),
                        metavar='DIR',
                        help='where swap files are made (%(default)s)')
    parser.add_argument('--image', type=pathlib.Path, metavar='DIR',
                        default=os.path.join(state, 'guest'),
                        help='of "make guest", for Redis (%(default)s)')
    args = parser.parse_args()
    for part in args.parts:
        if part not in PARTS:
            parser.error("there is no part '%s'; there are: %s" %
                         (part, ', '.join(PARTS)))
    if args.size < 1 or args.rounds < 1 or args.seconds <= 0:
        parser.error('--size, --rounds and --seconds must be positive')
    if os.geteuid() != 0:
        parser.error('run as root: cgroups and swap need it')
    os.makedirs(args.disk, exist_ok=True)
    return args


def main():
    """Run what was asked for."""
    args = arguments()
    bench.clean_up_when_ended()
    results = {}
    for name in args.parts or PARTS:
        print('== %s' % name, flush=True)
        results.update(PARTS[name](args))
    print(json.dumps(results))
    return 0


if __name__ == '__main__':
    sys.exit(main())
