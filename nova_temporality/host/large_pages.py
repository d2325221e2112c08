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

"""Whether memory in a pool is mapped in pages of 2 MiB.

Linux maps files of tmpfs and DAX file systems with 4 KiB or 2 MiB, never with
1 GiB (fs/dax.c, mm/shmem.c). Which of them it is, is decided by where a file's
blocks are when they are allocated.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import struct

from oslo_utils import units

from nova_temporality.host import mounts
from nova_temporality.vpm import pool

SMALL_KB = 4
LARGE_KB = 2048

_SHMEM_ENABLED = '/sys/kernel/mm/transparent_hugepage/shmem_enabled'
# With huge=advise it depends on who allocates, and ours is fallocate(2),
# which nobody can advise.
_HUGE_OPTIONS = ('huge=always', 'huge=within_size')

# linux/fs.h: PAGEMAP_SCAN, struct pm_scan_arg, PAGE_IS_HUGE
_PAGEMAP_SCAN = 0xc0606610
_SCAN_ARG = struct.Struct('=12Q')
_PAGE_IS_HUGE = 1 << 6
_REGION_SIZE = 24
# sys/mman.h, since Linux 5.14
_MADV_POPULATE_READ = 22


def sizes_kb(pool_path: str, medium: str) -> list[int]:
    """KiB of the pages in which servers' memory can be mapped.

    :param medium: of the pool, a key of vpm.MEDIA
    """
    return [SMALL_KB] if problem(pool_path, medium) else [SMALL_KB, LARGE_KB]


def problem(pool_path: str, medium: str) -> str | None:
    """Say why no memory of a pool is mapped in pages of 2 MiB.

    Allocates nothing. That they can be had does not mean that there are
    enough of them.

    :param medium: of the pool, a key of vpm.MEDIA
    :returns: it and the remedy, in words; None if they can be had
    """
    if medium not in (pool.DAX, pool.TMPFS):
        return 'its pool lies on an ordinary file system; use DAX or tmpfs'
    if medium == pool.TMPFS:
        forced = _shmem_enabled()
        if forced == 'deny':
            return '%s is deny; write never to it' % _SHMEM_ENABLED
        mounted = mounts.of_device(os.stat(pool_path).st_dev)
        if forced != 'force' and not (
                mounted and set(_HUGE_OPTIONS) & set(mounted.options)):
            return ('the tmpfs of its pool is not mounted with %s' %
                    ' or '.join(_HUGE_OPTIONS))
    try:
        with mmap.mmap(-1, mmap.PAGESIZE) as page:
            _has_small(page, mmap.PAGESIZE)
    except OSError as exc:
        return ('its kernel does not say how memory is mapped (%s); use '
                'Linux 6.7 or later' % os.strerror(exc.errno or errno.ENOTTY))
    return None


def are_given(path: str, size: int) -> bool:
    """Whether a file is mapped in pages of 2 MiB, all of it.

    :param path: of a region's memory, which is allocated in full
    :param size: bytes, of which the last incomplete page does not count
    :raises OSError: the kernel does not say
    """
    size -= size % (LARGE_KB * units.Ki)
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        memory = mmap.mmap(fd, size)
    finally:
        os.close(fd)
    with memory:
        memory.madvise(_MADV_POPULATE_READ)
        return not _has_small(memory, size)


def _has_small(memory: mmap.mmap, size: int) -> bool:
    first = ctypes.c_char.from_buffer(memory)
    found = ctypes.create_string_buffer(_REGION_SIZE)
    start = ctypes.addressof(first)
    del first
    argument = bytearray(_SCAN_ARG.pack(
        _SCAN_ARG.size, 0, start, start + size, 0, ctypes.addressof(found),
        1, 1, _PAGE_IS_HUGE, _PAGE_IS_HUGE, 0, _PAGE_IS_HUGE))
    with open('/proc/self/pagemap', 'rb') as pagemap:
        return fcntl.ioctl(pagemap, _PAGEMAP_SCAN, argument) > 0


def _shmem_enabled() -> str:
    """The host's word on huge pages in shared memory."""
    try:
        with open(_SHMEM_ENABLED, encoding='ascii') as words:
            text = words.read()
    except OSError:
        return 'deny'
    return text.partition('[')[2].partition(']')[0]
