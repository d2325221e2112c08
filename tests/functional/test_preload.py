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

"""The preloaded library in processes that it is not meant for."""

import json
import os
import subprocess
import sys

import pytest

from nova_temporality import vpm

# Maps a file as QEMU would, and says what it has got.
_PROGRAM = """
import json, mmap, os, sys
with open(sys.argv[1], 'r+b') as f:
    with mmap.mmap(f.fileno(), 0) as memory:
        memory[0] = 7
        memory.madvise(mmap.MADV_DONTNEED)
        maps = open('/proc/self/maps').read()
        kept = memory[0]
links = [os.readlink(entry.path) if os.path.islink(entry.path) else ''
         for entry in os.scandir('/proc/self/fd')]
print(json.dumps({
    'kept': kept, 'mapped': sys.argv[1] in maps,
    'gone': sys.argv[1] not in open('/proc/self/maps').read(),
    'threads': len(os.listdir('/proc/self/task')),
    'userfaultfd': any('userfaultfd' in link for link in links)}))
"""

_UNTOUCHED = {'kept': 7, 'mapped': True, 'gone': True, 'threads': 1,
              'userfaultfd': False}


def _run(path, **variables):
    done = subprocess.run(
        [sys.executable, '-c', _PROGRAM, path], check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, LD_PRELOAD=vpm.PRELOAD_PATH, **variables))
    assert done.stderr == ''
    return json.loads(done.stdout)


def _words(*command):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()


@pytest.fixture
def region(pool, nvram):
    swap = nvram + '/swap'
    os.mkdir(swap, 0o711)
    return pool.alloc_vpm('guest', 8 << 20, 4 << 20, swap)


def test_nothing_happens_without_the_variable(region):
    assert _run(region.virtual_path) == _UNTOUCHED


@pytest.mark.parametrize('named', ['another region', 'no region'])
def test_nothing_happens_to_other_files(pool, region, nvram, named):
    other = pool.alloc_vpm('other', 8 << 20, 4 << 20, nvram + '/swap')
    directory = {'another region': other.directory, 'no region': '/'}[named]
    assert _run(region.virtual_path, **{
        vpm.PRELOAD_VARIABLE: directory}) == _UNTOUCHED
    assert pool.stats(region.id).faults == 0


def test_its_own_memory_is_another_matter(region):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        _run(region.virtual_path, **{vpm.PRELOAD_VARIABLE: region.directory})
    # it lets nobody discard pages
    assert 'Invalid argument' in failed.value.stderr


def test_it_replaces_four_functions_and_needs_only_libc():
    exported = _words('nm', '-D', '--defined-only', '--format=just-symbols',
                      vpm.PRELOAD_PATH)
    assert sorted(exported) == ['madvise', 'mmap', 'mmap64', 'munmap']
    needed = [word for word in _words('readelf', '-d', vpm.PRELOAD_PATH)
              if word.startswith('[lib')]
    assert needed == ['[libc.so.6]']
