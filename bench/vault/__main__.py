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

"""Measures what is left when a server is fixated, with and without ahead.

A server without a QEMU has random memory. It is written to the vault as a
whole; then again, after it was written ahead and a part of it was changed.
Bytes are those that the kernel gave to the disk. The last line of output has
the results, as JSON.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import bench
from nova_temporality.vault import ahead
from nova_temporality.vault import creating
from nova_temporality.vault import writing
from nova_temporality import vpm
from nova_temporality.vpm import sums

_META = vpm.FixationMeta(wall_ns=1, signal_ns=1, stopped_ns=1, saved_ns=1,
                         runstate='running', producer='bench')


def _fill(path, chunks):
    with open(path, 'r+b') as ram:
        for chunk in chunks:
            ram.seek(chunk * sums.CHUNK)
            ram.write(os.urandom(sums.CHUNK))


def _fixate(pool, region):
    read, write = os.pipe()
    os.write(write, b'state')
    os.close(write)
    with pool.open_fixation(region.id) as fixation, open(read, 'rb') as source:
        fixation.begin()
        fixation.receive(source)
        fixation.commit(_META)


def _bytes_written():
    with open('/proc/self/io', encoding='ascii') as counters:
        return next(int(line.split()[1]) for line in counters
                    if line.startswith('write_bytes:'))


def _commit(pool, region, writer=None):
    """Fixate and write it; return seconds and bytes that this took."""
    _fixate(pool, region)
    before, began = _bytes_written(), time.monotonic()
    failures = writing.write(pool, ahead=writer)
    took = time.monotonic() - began, _bytes_written() - before
    if failures:
        raise SystemExit('the vault was not written: %s' % failures)
    pool.begin_epoch(region.id)
    return took


def _round(pool, region, changed):
    chunks = range(region.size // sums.CHUNK)
    _fill(region.ram_path, chunks)
    without = _commit(pool, region)
    writer = ahead.Ahead(pool, 1 << 20, lambda: [region.name], lambda: True,
                         lambda: False)
    began = time.monotonic()
    writer.step()
    seconds = time.monotonic() - began
    _fill(region.ram_path, chunks[::max(1, round(100 / changed))])
    with writer.stopped():
        return without, _commit(pool, region, writer), seconds


def main():
    """Measure all; print a line for each round, and JSON last."""
    parser = argparse.ArgumentParser(
        prog='python -m bench.vault', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', type=int, default=1024, metavar='MIB',
                        help="of the server's memory (%(default)s)")
    parser.add_argument('--changed', type=float, default=1, metavar='PERCENT',
                        help='of it, after it was written ahead (%(default)s)')
    parser.add_argument('--rounds', type=int, default=5,
                        help='of which the median counts (%(default)s)')
    parser.add_argument('--nvram', default='/dev/shm', metavar='DIR',
                        help='where the pool is made (%(default)s)')
    parser.add_argument('--disk', metavar='DIR',
                        default=os.environ.get('STATE', '/var/tmp'),
                        help='where the vault is made (%(default)s)')
    args = parser.parse_args()
    size = args.size << 20
    bench.clean_up_when_ended()
    rounds = []
    with (tempfile.TemporaryDirectory(dir=args.nvram) as volatile,
          tempfile.TemporaryDirectory(dir=args.disk) as disk,
          creating.create(
              os.path.join(volatile, 'pool'), os.path.join(disk, 'vault'),
              total_size=size, state_size=64 << 10, page_size=4096,
              descriptors=1, uid_base=0) as pool):
        region = pool.alloc('server', size)
        pool.begin_epoch(region.id)
        for _ in range(args.rounds):
            rounds.append(_round(pool, region, args.changed))
            print('after the fixation: %.3f s, %d bytes; written ahead: '
                  '%.3f s, %d bytes (%.1f s before)' % (
                      *rounds[-1][0], *rounds[-1][1], rounds[-1][2]),
                  flush=True)
    print(json.dumps({
        'vault_ahead_bytes_ratio': round(statistics.median(
            after[1] / before[1] for before, after, _ in rounds), 4),
        'vault_ahead_seconds_ratio': round(statistics.median(
            after[0] / before[0] for before, after, _ in rounds), 4),
        'vault_ahead_mib_per_s': round(args.size / statistics.median(
            seconds for _, _, seconds in rounds))}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
