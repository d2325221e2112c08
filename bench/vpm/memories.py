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

"""What is compared: memory that is paged by us, and by Linux.

Both are used by the same program, hold the same share of it in memory, and
have their swap file on the same file system.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile

from oslo_utils import units

from bench.vpm import cgroups
from bench.vpm import programs
from nova_temporality import vpm

RESIDENT = 0.6
LIMIT = '/proc/sys/vm/max_map_count'
# That of etc/sysctl.d.
MAPPINGS = 1048576


@contextlib.contextmanager
def mappings():
    """Allow as many mappings as the packaged sysctl does."""
    with open(LIMIT) as file:
        before = int(file.read())
    if before < MAPPINGS:
        _write_limit(MAPPINGS)
    try:
        yield
    finally:
        if before < MAPPINGS:
            _write_limit(before)


def _write_limit(value):
    with open(LIMIT, 'w') as file:
        file.write(str(value))


@contextlib.contextmanager
def pool(args, size):
    """A pool with room for so many bytes of memory."""
    path = tempfile.mkdtemp(prefix='temporality-bench-', dir=args.nvram)
    try:
        with vpm.Pool.create(path, total_size=size, uid_base=0,
                             state_size=units.Mi) as opened:
            if opened.info().medium == 'file':
                raise SystemExit('%s is neither a tmpfs nor fsdax: name such '
                                 'a directory with --nvram' % args.nvram)
            yield opened
    finally:
        shutil.rmtree(path)


class Vpm:
    """A VPM region with the real pager, preloaded into the program."""

    def __init__(self, in_pool, args, size, *, page_size, policy='s3fifo'):
        self._pool = in_pool
        self._swap_dir = tempfile.mkdtemp(prefix='bench-swap-', dir=args.disk)
        self._name = 'bench-%d-%s' % (page_size, policy)
        nvram_size = int(size * RESIDENT) // (64 * units.Ki) * 64 * units.Ki
        self.region = in_pool.alloc_vpm(
            self._name, size, nvram_size, self._swap_dir,
            page_size=page_size, policy=policy)
        self.program = programs.Access(size, self.region.virtual_path, {
            'LD_PRELOAD': vpm.PRELOAD_PATH,
            vpm.PRELOAD_VARIABLE: self.region.directory,
        })

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.program.close()
        self._pool.free(self._name)
        os.rmdir(self._swap_dir)

    def start(self):
        """Let the program map it."""
        self.program.start()

    def run(self, *words):
        """Tell the program; return its answer, with what was paged."""
        before = self._pool.stats(self.region.id)
        answer = self.program.tell(*words)
        after = self._pool.stats(self.region.id)
        for name in ('faults', 'refaults', 'swap_ins', 'swap_outs',
                     'clean_outs'):
            answer[name] = getattr(after, name) - getattr(before, name)
        if after.error:
            raise SystemExit('the region has an error: %s' % after.error)
        return answer


class Swap:
    """Anonymous memory with a limit, Linux swap with its default settings."""

    def __init__(self, args, size):
        self._size = size
        self._file = os.path.join(args.disk, 'bench-swapfile-%d' %
                                  os.getpid())
        self._cgroup = cgroups.Cgroup('bench')
        self._swapping = False
        self.program = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.program:
            self.program.close()
        self._cgroup.remove()
        if self._swapping:
            subprocess.run(['swapoff', self._file], check=True)
        if os.path.exists(self._file):
            os.unlink(self._file)

    def start(self):
        """Let a program map it."""
        subprocess.run(['fallocate', '-l', str(self._size * 2), self._file],
                       check=True)
        os.chmod(self._file, 0o600)
        subprocess.run(['mkswap', '-q', self._file], check=True)
        subprocess.run(['swapon', self._file], check=True)
        self._swapping = True
        self._start_program()

    def _start_program(self):
        """Limit it to its share.

        What it has for itself, and page tables, come on top.
        """
        self._cgroup.unlimit()
        self.program = programs.Access(self._size)
        self._cgroup.add(self.program.pid)
        self.program.start()
        self._cgroup.limit(self._cgroup.usage() + self._size // 512 +
                           int(self._size * RESIDENT))

    def run(self, *words):
        """Tell the program; return its answer.

        Linux may find nothing to swap at once, when several threads want
        memory, and then kills the program.
        """
        try:
            return self.program.tell(*words)
        except programs.Ended as exc:
            print('  Linux killed it (%s): once more' % exc, flush=True)
        self.program.close()
        self._start_program()
        self.program.tell('fill')
        self.program.tell(*words)
        return self.program.tell(*words)
