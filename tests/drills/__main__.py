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

from nova_temporality.host import durable
from nova_temporality.vault import creating
from nova_temporality import vpm
from tests.drills import plan
from tests.drills import rounds
from tests.drills import servers
from tests.drills import vault_disk
from tests.drills import vaulted
from tests.framework import hosts


@contextlib.contextmanager
def _directories():
    """One directory on tmpfs, and one on a disk."""
    with contextlib.ExitStack() as stack:
        volatile, disk = (pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix='temporality-test-', dir=top)))
            for top in ('/dev/shm', '/var/tmp'))
        os.chmod(volatile, 0o755)
        yield volatile, disk


@contextlib.contextmanager
def with_nvram():
    """The context of a host whose NVRAM survives."""
    with _directories() as (nvram, disk), vpm.Pool.create(
            str(nvram / 'pool'), total_size=256 << 20, state_size=20 << 20,
            descriptors=8, uid_base=0, page_size=4096) as pool:
        host = hosts.Host(pool, str(nvram / 'run'), nvram)
        with contextlib.closing(rounds.Drills(
                host, servers.make(host, disk))) as made:
            yield made


@contextlib.contextmanager
def with_vault():
    """The context of a host with a vault."""
    with _directories() as (dram, disk), contextlib.closing(
            vault_disk.VaultDisk(disk / 'vault')) as vault:
        swap = vault.path / 'swap'
        durable.make_directory(str(swap))
        swap.chmod(0o711)
        durable.sync(str(swap))
        host = hosts.Host(creating.create(
            str(dram / 'pool'), str(vault.path / 'vault'),
            total_size=64 << 20, state_size=4 << 20, page_size=4096,
            descriptors=4, uid_base=0), str(dram / 'run'), dram)
        with contextlib.closing(vaulted.Vaulted(
                host, vaulted.make(host, disk, swap), vault, disk)) as made:
            yield made


HOSTS = {plan.NVRAM: with_nvram, plan.VAULT: with_vault}


class _Hosts:
    """Hosts of all kinds, of which one at a time has the CPUs."""

    def __init__(self, stack):
        self._stack = stack
        self._made = {}

    def of(self, kind):
        """The host of a kind; all others rest."""
        for other, made in self._made.items():
            if other == kind:
                made.go_on()
            else:
                made.rest()
        if kind not in self._made:
            self._made[kind] = self._stack.enter_context(HOSTS[kind]())
        return self._made[kind]


def run(number, seed, first, out):
    """Run rounds; print a line for each, and one for all.

    :returns: whether nothing was lost
    """
    counts = {kind: collections.Counter() for kind in plan.KINDS}
    with contextlib.ExitStack() as stack:
        made = _Hosts(stack)
        for which in range(first, first + number):
            one = plan.Round.of(seed, which)
            found = made.of(one.kind).run(
                one, random.Random('%s %d cut' % (seed, which)))
            counts[one.kind].update(('rounds', *(
                each.verdict for each in found)))
            print(json.dumps(dict(rounds.as_line(which, one, found),
                                  seed=seed)), file=out, flush=True)
    sums = _sums(sum(counts.values(), collections.Counter()))
    print(json.dumps(dict(sums, kinds={
        kind: _sums(count) for kind, count in counts.items()})),
        file=out, flush=True)
    return not sums[rounds.LOST]


def _sums(counts):
    return {key: counts[key] for key in (
        'rounds', rounds.SURVIVED, rounds.UNPROVEN, rounds.LOST)}


def main():
    parser = argparse.ArgumentParser(prog='python -m tests.drills')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--seed', default='0')
    parser.add_argument('--first', type=int, default=0)
    args = parser.parse_args()
    # Whoever ends it ends what it has started.
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda *_args: sys.exit(1))
    # What all the processes say goes to the other output.
    out = os.fdopen(os.dup(sys.stdout.fileno()), 'w')
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return 0 if run(args.rounds, args.seed, args.first, out) else 1


if __name__ == '__main__':
    sys.exit(main())
