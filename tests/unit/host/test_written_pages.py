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

"""What a process writes to its memory, asked from outside.

The process is a Python that does what it is told, in the place of QEMU.
"""

import os
import subprocess
import sys

import pytest

from nova_temporality.host import written_pages
from nova_temporality import vpm
from tests.framework import writes

PAGE = 4096
# More ranges than are taken at once, if every second page is written.
PAGES = 4 * written_pages._RANGES

# Lines of Python that come to it are run, and answered.
_PROGRAM = """
import mmap, os, sys
ram = os.open(sys.argv[1], os.O_RDWR)
memory = mmap.mmap(ram, os.fstat(ram).st_size)
os.close(ram)
page = mmap.PAGESIZE
for line in sys.stdin:
    exec(line)
    print(flush=True)
"""


class Process:
    def __init__(self, path, is_noted=True):
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, '-c', _PROGRAM, path], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(os.environ, **{
                'LD_PRELOAD': vpm.PRELOAD_PATH,
                vpm.WRITES_VARIABLE: path if is_noted else '/other'}))
        self.do('pass')

    def do(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        assert self.process.stdout.readline() == '\n'

    def pages(self):
        return written_pages.WrittenPages(self.process.pid, self.path)

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def path(tmp_path):
    """A file on tmpfs."""
    found = '/dev/shm/temporality-test-%d' % os.getpid()
    with open(found, 'wb') as ram:
        os.posix_fallocate(ram.fileno(), 0, PAGES * PAGE)
    yield found
    os.unlink(found)


@pytest.fixture
def process(path):
    writes.skip_unless_noted()
    made = Process(path)
    yield made
    made.end()


@pytest.fixture
def seen(process):
    """One that has taken all once."""
    found = process.pages()
    assert found.take() == [(0, PAGES * PAGE)]
    assert found.take() == []
    yield found
    found.close()


def test_nothing_is_written(process, seen):
    process.do('sum(memory[::page])')
    assert seen.take() == []


def test_processor(process, seen):
    process.do('memory[3 * page + 5] = 1; memory[4 * page] = 1')
    assert seen.take() == [(3 * PAGE, 5 * PAGE)]
    assert seen.take() == []
    # Again, where it was written before.
    process.do('memory[4 * page] = 2')
    assert seen.take() == [(4 * PAGE, 5 * PAGE)]


def test_system_call(process, seen):
    process.do('file = open(sys.executable, "rb"); '
               'file.readinto(memoryview(memory)[7 * page:8 * page])')
    assert seen.take() == [(7 * PAGE, 8 * PAGE)]


def test_direct_read(process, seen, tmp_path):
    disk = tmp_path / 'disk'
    disk.write_bytes(b'x' * 4 * PAGE)
    process.do('fd = os.open(%r, os.O_RDONLY | os.O_DIRECT); '
               'os.preadv(fd, [memoryview(memory)[page:5 * page]], 0)' %
               str(disk))
    assert seen.take() == [(PAGE, 5 * PAGE)]


def test_many_ranges(process, seen):
    process.do('memory[::2 * page] = bytes(%d)' % (PAGES // 2))
    found = seen.take()
    assert found == [(at, at + PAGE)
                     for at in range(0, PAGES * PAGE, 2 * PAGE)]
    assert seen.take() == []


def test_mapping_that_is_split(process, seen):
    process.do('memory.madvise(mmap.MADV_SEQUENTIAL, 8 * page, 8 * page)')
    process.do('memory[8 * page] = 1')
    assert seen.take() == [(8 * PAGE, 9 * PAGE)]


def test_page_that_was_unmapped_meanwhile(process, seen):
    process.do('memory[2 * page] = 1')
    process.do('memory.madvise(mmap.MADV_DONTNEED)')
    process.do('sum(memory[::page])')
    assert (2 * PAGE, 3 * PAGE) in seen.take()


def test_mapped_twice(process, seen):
    """Whatever is written through the other one is not seen."""
    process.do('other = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 4 * page)')
    with pytest.raises(written_pages.Unseen, match='more than once|part of'):
        seen.take()


def test_it_has_ended(process, seen):
    process.do('memory[0] = 1')
    process.end()
    with pytest.raises(written_pages.Unseen, match='has ended'):
        seen.take()


def test_not_told(path):
    process = Process(path, is_noted=False)
    try:
        with pytest.raises(written_pages.Unseen, match='not told|Linux 6.7'):
            process.pages()
    finally:
        process.end()


def test_no_such_process(path):
    process = Process(path, is_noted=False)
    process.end()
    with pytest.raises(written_pages.Unseen, match='has ended'):
        process.pages()
