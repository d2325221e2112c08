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

"""Measures fixation and recovery; the last line of output is JSON.

Each piece takes some minutes at most. Results are kept in a file, so that
pieces can be measured one by one, whenever the machine is quiet; the last line
has those of all pieces that were measured.
"""

import argparse
import dataclasses
import json
import os
import pathlib

import bench
from bench.fixation import budget
from bench.fixation import cold_start
from bench.fixation import fleet
from bench.fixation import libvirt_save
from bench.fixation import plot
from bench.fixation import scaling

TOP = pathlib.Path(__file__).parents[2]
PICTURE = TOP / 'doc' / 'source' / '_static' / 'fixation.svg'


def _scaling(args):
    return scaling.measure(args.rounds)


def _one(args):
    found, _taken = fleet.measure(args.image, 1, args.rounds)
    return {'one_pvm_ms': found['fixation_ms'], 'one_pvm': found,
            'signal_to_first_stop_us': found['signal_to_first_stop_us']}


def _sixteen(args):
    found, taken = fleet.measure(args.image, 16, args.rounds)
    if args.picture:
        plot.draw([[dataclasses.asdict(one) for one in outcomes]
                   for outcomes in taken], str(PICTURE))
    return {'sixteen_pvms_ms': found['fixation_ms'],
            'sixteen_pvms': found, 'host_load': found['host_load']}


def _budget(args):
    return budget.measure(args.image, args.rounds)


def _redis(args):
    return cold_start.measure(args.image)


def _save(args):
    return libvirt_save.measure(10)


PIECES = {'scaling': _scaling, 'one': _one, 'sixteen': _sixteen,
          'budget': _budget, 'redis': _redis, 'save': _save}


def main():
    state = pathlib.Path(os.environ.get('STATE', '/var/tmp/temporality'))
    parser = argparse.ArgumentParser(prog='bench.fixation',
                                     description=__doc__)
    parser.add_argument('pieces', nargs='*', metavar='piece',
                        help='%s; all by default' % ', '.join(PIECES))
    parser.add_argument('--rounds', type=int, default=50)
    parser.add_argument('--image', type=pathlib.Path,
                        default=state / 'guest', help='of "make guest"')
    parser.add_argument('--results', type=pathlib.Path,
                        default=state / 'bench-fixation.json')
    parser.add_argument('--picture', action='store_true',
                        help='draw %s anew' % PICTURE.relative_to(TOP))
    args = parser.parse_args()
    bench.check_pieces(parser, args.pieces, PIECES)
    bench.clean_up_when_ended()
    results = {}
    if args.pieces and args.results.exists():
        results = json.loads(args.results.read_text())
    for name in args.pieces or PIECES:
        found = PIECES[name](args)
        print(name, json.dumps(found, indent=1), flush=True)
        results.update(found)
        args.results.write_text(json.dumps(results))
    results['recovery_ms'] = {
        key: results[piece]['recovery_ms'] for key, piece in
        (('one', 'one_pvm'), ('sixteen', 'sixteen_pvms'))
        if piece in results}
    print(json.dumps(results))


if __name__ == '__main__':
    main()
