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

"""Simulate outages of regions; write the data and the pictures of the page.

The last line of output has how long each curve took, as JSON. Without names
all curves are made; the others stay as they are on record.
"""

import argparse
import json
import pathlib
import sys
import time

import bench
from bench.region import curves
from bench.region import inputs
from bench.region import plot

_DOC = pathlib.Path(__file__).parents[2] / 'doc'
RECORD = _DOC / 'records' / 'region.json'
STATIC = _DOC / 'source' / '_static'


def main():
    """Make the curves that are named, or all."""
    parser = argparse.ArgumentParser(
        prog='python -m bench.region', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('curve', nargs='*',
                        help='one of ' + ', '.join(curves.ALL))
    args = parser.parse_args()
    bench.check_pieces(parser, args.curve, curves.ALL)
    record = (json.loads(RECORD.read_text(encoding='utf-8'))
              if RECORD.exists() else {})
    record['inputs'] = inputs.figures()
    took = {}
    for name in args.curve or curves.ALL:
        began = time.monotonic()
        record[name] = curves.ALL[name]()
        took[name] = round(time.monotonic() - began, 1)
        print('== ' + name)
        for row in record[name]:
            print(json.dumps(row), flush=True)
        RECORD.write_text(_text(record), encoding='utf-8')
    if set(curves.ALL) <= set(record):
        plot.draw(record, STATIC)
    print(json.dumps(took))
    return 0


def _text(record):
    """JSON with a line for each row, so that differences can be read."""
    parts = []
    for name, rows in record.items():
        if isinstance(rows, list):
            lines = ',\n'.join('  ' + json.dumps(row) for row in rows)
            parts.append('%s: [\n%s\n]' % (json.dumps(name), lines))
        else:
            parts.append('%s: %s' % (json.dumps(name), json.dumps(rows)))
    return '{\n' + ',\n'.join(parts) + '\n}\n'


if __name__ == '__main__':
    sys.exit(main())
