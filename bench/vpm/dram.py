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


def _usage(memory, program):
    """What a program takes, the kernel for it included, NVRAM excepted."""
    group = cgroups.Cgroup('bench')
    try:
        group.add(program.pid)
        memory.start()
        program.tell('fill')
        program.tell('uniform', 2000, 2)
        return group.usage()
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
        usage = _usage(region, region.program)
        return usage, region.region.page_size


def dram(args):
    """That of a program with paged memory over one with a plain mapping."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(memories.mappings())
        plain = _plain(args)
        results = {}
        for key, wish in (('pager_dram_per_gib', 0),
                          ('pager_dram_per_gib_64k', 64 * units.Ki)):
            paged, page_size = _paged(args, wish)
            results[key] = paged - plain
            print('  %d KiB pages: %d bytes, %d without a pager' % (
                page_size // units.Ki, paged, plain), flush=True)
    return results
