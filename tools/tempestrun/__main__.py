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

"""python -m tempestrun: tempest in the pocket cloud, which has to be up."""

import argparse
import sys

from pocketcloud import cli
from pocketcloud import layout
from pocketcloud import nvram

from tempestrun import run


def main():
    parser = argparse.ArgumentParser(prog='tempestrun', description=__doc__)
    parser.add_argument('--plain', action='store_true',
                        help="let tempest's own servers be ordinary ones, "
                        'for comparison')
    parser.add_argument('prefixes', nargs='*', metavar='prefix',
                        help='names of the tests begin so (default: %s %s)'
                        % (run.OURS, run.NOVA_S))
    args = parser.parse_args()
    layout.require_state()
    try:
        cli.have_nvram(nvram.EMULATED)
    except RuntimeError as e:
        sys.exit(str(e))
    totals = run.run(args.prefixes or [run.OURS, run.NOVA_S],
                     not args.plain)
    sys.exit(1 if totals['Failed'] else 0)


if __name__ == '__main__':
    main()
