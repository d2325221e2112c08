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

"""Measures what a disk does with queues of several lengths.

For each length of a virtio disk's queue: how much the disk does in a second,
and how long all requests of a full queue take to end. That is what QEMU waits
for when it stops vCPUs, and thus the shortest fixation there is. The last line
of output has the results, as JSON.

Requests are those that a guest would make: of 4 KiB, at random places; of
64 KiB; of a megabyte, which a guest cuts into pieces of as many pages as the
queue has places, less two (seg_max).

QEMU's own code makes the requests (qemu-img bench), so no guest's speed is in
the result. Remote disks are NBD servers that answer late.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

QUEUES = (16, 32, 64, 128, 256)
# Milliseconds by which remote disks answer late.
DELAYS = (1, 5)

_PAGE = 4096
_SIZE = 1 << 30
_TOOK = re.compile(r'Run completed in ([0-9.]+) seconds')
_PATIENCE = 10


def _request_size(load, queue):
    """Bytes of the requests that a guest makes."""
    if load == '1 MiB':
        return min(1 << 20, (queue - 2) * _PAGE)
    return {'4 KiB': 4 << 10, '64 KiB': 64 << 10}[load]


LOADS = ('4 KiB', '64 KiB', '1 MiB')


def _bench(image, size, depth, count, step):
    """Seconds that a number of writes take."""
    done = subprocess.run(
        ['qemu-img', 'bench', '-f', 'raw', '-t', 'none', '-n', '-w',
         '-s', str(size), '-S', str(step), '-d', str(depth),
         '-c', str(count), image],
        check=True, text=True, stdout=subprocess.PIPE)
    return float(_TOOK.search(done.stdout).group(1))


def _step(load, size):
    # A prime number of pages, so that neighbours are not written in a row.
    return 10007 * _PAGE if load == '4 KiB' else size


def _measure(image, load, queue, seconds, rounds):
    size = _request_size(load, queue)
    step = _step(load, size)
    full = [_bench(image, size, queue, queue, step) * 1e3
            for _ in range(rounds)]
    count = queue
    took = _bench(image, size, queue, count, step)
    while took < seconds / 4:
        count *= 2
        took = _bench(image, size, queue, count, step)
    count = max(1, int(count * seconds / took))
    rates = [count / _bench(image, size, queue, count, step)
             for _ in range(rounds)]
    rate = statistics.median(rates)
    return {'queue': queue, 'requests_per_s': round(rate),
            'mib_per_s': round(rate * size / 2**20, 1),
            'drain_ms': round(statistics.median(full), 2),
            'drain_ms_most': round(max(full), 2)}


@contextlib.contextmanager
def _local(directory):
    path = pathlib.Path(directory) / 'disk'
    with path.open('wb') as disk:
        os.posix_fallocate(disk.fileno(), 0, _SIZE)
    yield str(path)
    path.unlink()


@contextlib.contextmanager
def _remote(directory, delay_ms):
    socket = pathlib.Path(directory) / 'nbd'
    with subprocess.Popen([
            'nbdkit', '-f', '-U', socket, '--threads', '256',
            '--filter=delay', 'memory', str(_SIZE),
            'rdelay=%dms' % delay_ms, 'wdelay=%dms' % delay_ms]) as server:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            yield 'nbd+unix:///?socket=%s' % socket
        finally:
            server.terminate()
    socket.unlink(missing_ok=True)


def _disks(directory):
    yield 'local', _local(directory)
    for delay in DELAYS:
        yield 'NBD + %d ms' % delay, _remote(directory, delay)


def _print(rows):
    print('%8s %8s %10s %10s %10s' % ('queue', 'IO/s', 'MiB/s', 'drain ms',
                                      'at most'))
    for row in rows:
        print('%(queue)8d %(requests_per_s)8d %(mib_per_s)10.1f '
              '%(drain_ms)10.2f %(drain_ms_most)10.2f' % row, flush=True)


def main():
    """Measure all; print tables, and JSON last."""
    parser = argparse.ArgumentParser(
        prog='python -m bench.disks', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--disk', metavar='DIR',
                        default=os.environ.get('STATE', '/var/tmp'),
                        help='where the local disk is made (%(default)s)')
    parser.add_argument('--seconds', type=float, default=1,
                        help='of each single measurement (%(default)s)')
    parser.add_argument('--rounds', type=int, default=5,
                        help='of which the median counts (%(default)s)')
    args = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(dir=args.disk) as directory:
        for name, made in _disks(directory):
            with made as image:
                for load in LOADS:
                    print('== %s, %s' % (name, load), flush=True)
                    rows = [_measure(image, load, queue, args.seconds,
                                     args.rounds) for queue in QUEUES]
                    _print(rows)
                    results['%s, %s' % (name, load)] = rows
    print(json.dumps(results))
    return 0


if __name__ == '__main__':
    sys.exit(main())
