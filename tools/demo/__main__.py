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

"""python -m demo: the demonstrations; the cloud has to be up."""

import argparse
import os
import sys

from pocketcloud import cli
from pocketcloud import client
from pocketcloud import config
from pocketcloud import graph
from pocketcloud import layout
from pocketcloud import nvram

from demo import paged
from demo import resident
from demo import scenario
from demo import timeline

_ABOUT = {
    nvram.EMULATED: 'The NVDIMM is emulated by a tmpfs (%s); all else is '
                    'real.' % layout.NVRAM,
    nvram.VAULTED: 'No NVDIMM: the power cut empties the DRAM (%s).\n'
                   'The vault is on the disk of the host (%s).'
                   % (layout.NVRAM, layout.FIRST.vault),
}

_END = '\n%s The cloud is still up: make cloud-status; make cloud-down.'


def write_report():
    """Write the outage's report; say where, or why not."""
    path = layout.LOG / 'outage.html'
    try:
        client.run('temporality', '--config-file',
                   str(config.FILES['temporality.conf']), 'outage', 'report',
                   '--html', str(path))
    except RuntimeError as exc:
        return 'There is no report of the outage: %s' % exc
    return 'The report of the outage, for a browser: %s' % path


def have_nvram(kind):
    """Have the cloud with a kind of NVRAM; a demonstration's servers go."""
    nvram.check(kind)
    if nvram.kind() != kind:
        client.delete(resident.PERSISTENT, resident.CONTROL,
                      *paged.NAMES)
        cli.have_nvram(kind)


def main():
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument('what', choices=('resident', 'paged'), nargs='?',
                        default='resident', help='which servers: with all '
                        'their memory in NVRAM beside a plain one, or with '
                        'more memory than NVRAM (default: %(default)s)')
    parser.add_argument('--keys', type=int, default=100000,
                        help='keys in each Redis, if resident '
                        '(default: %(default)s)')
    args = parser.parse_args()
    layout.require_state()
    kind = os.environ.get('NVRAM') or nvram.EMULATED
    try:
        have_nvram(kind)
    except (RuntimeError, OSError, ValueError, graph.Failed) as exc:
        sys.exit('demo: %s' % exc)
    print(_ABOUT[kind])
    events = timeline.Timeline(lambda line: print(line, flush=True))
    if args.what == 'paged':
        cut = paged.PagedPowerCut(paged.DEMONSTRATION, events)
        end = 'All servers survived, with more memory than there is NVRAM.'
    else:
        cut = resident.ResidentPowerCut(args.keys, events)
        end = 'The persistent server survived.'
    try:
        cut.run()
    except (scenario.Failed, RuntimeError, OSError, graph.Failed) as exc:
        sys.exit('\nFAILED: %s\nThe logs are in %s.' % (exc, layout.LOG))
    events.print_all()
    print()
    print('\n'.join(timeline.table(
        ['', *[server.name for server in cut.servers]],
        cut.summary_rows())))
    print('\n' + write_report())
    print(_END % end)


if __name__ == '__main__':
    main()
