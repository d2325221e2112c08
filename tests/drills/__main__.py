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

"""python -m tests.drills [--rounds N] [--seed S] [--first NUMBER]"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import sys
import tempfile

from nova_temporality import vpm
from tests.drills import plan
from tests.drills import rounds
from tests.drills import servers
from tests.framework import hosts


@contextlib.contextmanager
def drills():
    """The context of a host with servers."""
    with contextlib.ExitStack() as stack:
        nvram, disks = (pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix='temporality-test-', dir=top)))
            for top in ('/dev/shm', '/var/tmp'))
        os.chmod(nvram, 0o755)
        pool = stack.enter_context(vpm.Pool.create(
            str(nvram / 'pool'), total_size=256 << 20, state_size=20 << 20,
            descriptors=8, uid_base=0, page_size=4096))
        host = hosts.Host(pool, str(nvram / 'run'), nvram)
        made = rounds.Drills(host, servers.make(host, disks))
        stack.callback(made.close)
        yield made


def run(number, seed, first, out):
    """Run rounds; print a line for each, and one for all.

    :returns: whether nothing was lost
    """
    counts = collections.Counter()
    with drills() as host:
        for which in range(first, first + number):
            one = plan.Round.of(seed, which)
            found = host.run(one, random.Random('%s %d cut' % (seed, which)))
            counts.update(each.verdict for each in found)
            print(json.dumps(dict(rounds.as_line(which, one, found),
                                  seed=seed)), file=out, flush=True)
    sums = {verdict: counts[verdict] for verdict in (
        rounds.SURVIVED, rounds.UNPROVEN, rounds.LOST)}
    print(json.dumps({'rounds': number, **sums}), file=out, flush=True)
    return not counts[rounds.LOST]


def main():
    parser = argparse.ArgumentParser(prog='python -m tests.drills')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--seed', default='0')
    parser.add_argument('--first', type=int, default=0)
    args = parser.parse_args()
    # Whoever ends it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(1))
    # What all the processes say goes to the other output.
    out = os.fdopen(os.dup(sys.stdout.fileno()), 'w')
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return 0 if run(args.rounds, args.seed, args.first, out) else 1


if __name__ == '__main__':
    sys.exit(main())
