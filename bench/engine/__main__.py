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

"""Measures engine and notifier with stand-in QEMUs; the last line is JSON."""

import argparse
import json

import bench
from bench.engine import hostile
from bench.engine import idle

PIECES = {'idle': lambda args: idle.measure(args.seconds),
          'hostile': lambda args: hostile.measure(args.rounds)}


def main():
    parser = argparse.ArgumentParser(prog='bench.engine', description=__doc__)
    parser.add_argument('pieces', nargs='*', metavar='piece',
                        help='%s; all by default' % ', '.join(PIECES))
    parser.add_argument('--seconds', type=float, default=30,
                        help='that "idle" takes')
    parser.add_argument('--rounds', type=int, default=500,
                        help='of either setting of "hostile"')
    args = parser.parse_args()
    bench.check_pieces(parser, args.pieces, PIECES)
    bench.clean_up_when_ended()
    results = {}
    for name in args.pieces or PIECES:
        results.update(PIECES[name](args))
        print(name, json.dumps(results, indent=1), flush=True)
    print(json.dumps(results))


if __name__ == '__main__':
    main()
