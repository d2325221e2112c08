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

"""Measures Redis in pVMs against a plain server; the last line is JSON.

Each piece has a plain server of its own, which its ratios are to, and takes
up to four minutes. Results are kept in a file, so that pieces can be measured
one by one, whenever the machine is quiet; the last line has those of all
pieces that were measured.
"""

import argparse
import json
import os
import pathlib

from bench.redis import measure

TOP = pathlib.Path(__file__).parents[2]
STATIC = TOP / 'doc' / 'source' / '_static'

# Residences in percent, by piece. What has goals is in the first one.
PIECES = {'redis': (100, 80, 60), 'redis-more': (90, 70, 50)}


def _arguments():
    state = pathlib.Path(os.environ.get('STATE', '/var/tmp/temporality'))
    parser = argparse.ArgumentParser(
        prog='python -m bench.redis', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pieces', nargs='*', metavar='piece',
                        help='%s; all by default' % ', '.join(PIECES))
    parser.add_argument('--seconds', type=float, default=2,
                        help='of each single measurement of GET '
                        '(%(default)s)')
    parser.add_argument('--rounds', type=int, default=3,
                        help='of GET, of which the median counts '
                        '(%(default)s)')
    parser.add_argument('--image', type=pathlib.Path,
                        default=state / 'guest', help='of "make guest"')
    parser.add_argument('--results', type=pathlib.Path,
                        default=state / 'bench-redis.json')
    parser.add_argument('--pictures', action='store_true',
                        help='draw those of %s anew' %
                        STATIC.relative_to(TOP))
    args = parser.parse_args()
    for name in args.pieces:
        if name not in PIECES:
            parser.error("there is no piece '%s'; there are: %s" %
                         (name, ', '.join(PIECES)))
    if args.rounds < 1 or args.seconds <= 0:
        parser.error('--rounds and --seconds must be positive')
    return args


def _draw(kept):
    from bench.redis import picture
    picture.throughput(kept['ratios'], str(STATIC / 'redis-throughput.svg'))
    picture.faults(kept['faults'], str(STATIC / 'redis-faults.svg'))


def main():
    """Run what was asked for."""
    args = _arguments()
    kept = {'ratios': {}, 'faults': {}}
    if args.pieces and args.results.exists():
        kept = json.loads(args.results.read_text())
    for name in args.pieces or PIECES:
        print('== %s' % name, flush=True)
        ratios, faults = measure.measure(PIECES[name], args)
        kept['ratios'].update(ratios)
        kept['faults'].update(faults)
        args.results.write_text(json.dumps(kept))
    if args.pictures:
        _draw(kept)
    print(json.dumps(kept['ratios']))


if __name__ == '__main__':
    main()
