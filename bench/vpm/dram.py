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

"""The DRAM that a pager takes."""

import contextlib
import os
import tempfile

from oslo_utils import units

from bench.vpm import cgroups
from bench.vpm import memories
from bench.vpm import programs

SIZE = units.Gi


def _anonymous(pid):
    """Bytes that a process has for itself."""
    with open('/proc/%d/status' % pid) as file:
        for line in file:
            if line.startswith('RssAnon:'):
                return int(line.split()[1]) * units.Ki
    raise RuntimeError('the kernel does not tell RssAnon')


def _usage(memory, program):
    """What a program takes, NVRAM excepted: in all, and for itself.

    The rest is what the kernel needs for its mappings.
    """
    group = cgroups.Cgroup('bench')
    try:
        group.add(program.pid)
        memory.start()
        program.tell('fill')
        program.tell('uniform', 2000, 2)
        return group.usage(), _anonymous(program.pid)
    finally:
        program.close()
        group.remove()


def _plain(args):
    with tempfile.NamedTemporaryFile(dir=args.nvram) as file:
        os.posix_fallocate(file.fileno(), 0, SIZE)
        program = programs.Access(SIZE, file.name)
        return _usage(program, program)


def _paged(args, page_size):
    with memories.pool(args, SIZE) as pool, \
            memories.Vpm(pool, args, SIZE, page_size=page_size) as region:
        return _usage(region, region.program), region.region.page_size


def dram(args):
    """That of a program with paged memory over one with a plain mapping.

    Accesses are uniform, so that neighbours in memory are no neighbours in
    NVRAM and need mappings of their own: the worst that happens.
    """
    results = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(memories.mappings())
        plain = _plain(args)
        for suffix, requested in (('', 0), ('_64k', 64 * units.Ki)):
            paged, page_size = _paged(args, requested)
            total, own = (with_pager - without for with_pager, without in
                          zip(paged, plain))
            print('  pages of %d KiB: %d bytes, of which %d are tables and '
                  'stacks of the pager' % (page_size // units.Ki, total, own),
                  flush=True)
            results['pager_dram_per_gib' + suffix] = total
            results['pager_dram_own_per_gib' + suffix] = own
    return results
