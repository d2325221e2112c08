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

"""Files on a tmpfs of each kind: which are mapped in pages of 2 MiB."""

import os
import subprocess

import pytest

from nova_temporality.host import large_pages
from nova_temporality.vpm import pool

SIZE = 8 << 20


@pytest.fixture
def mounted(tmp_path):
    """Mount a tmpfs with huge=..."""
    try:
        with open(large_pages._SHMEM_ENABLED) as words:
            text = words.read()
    except FileNotFoundError:
        pytest.skip('a kernel without huge pages')
    if '[deny]' in text or '[force]' in text:
        pytest.skip('the host decides for all tmpfs')

    def mount(option):
        subprocess.run(['mount', '-t', 'tmpfs', '-o',
                        'size=64M,huge=%s' % option, 'none', str(tmp_path)],
                       check=True)
        return str(tmp_path)

    yield mount
    subprocess.run(['umount', str(tmp_path)])


def allocated(directory):
    path = os.path.join(directory, 'ram')
    with open(path, 'wb') as memory:
        os.posix_fallocate(memory.fileno(), 0, SIZE)
    return path


@pytest.mark.parametrize('option', ['always', 'within_size'])
def test_given(mounted, option):
    directory = mounted(option)
    problem = large_pages.problem(directory, pool.TMPFS)
    if problem and 'Linux 6.7' in problem:
        pytest.skip(problem)
    assert problem is None
    assert large_pages.sizes_kb(directory, pool.TMPFS) == [4, 2048]
    assert large_pages.are_given(allocated(directory), SIZE)


@pytest.mark.parametrize('option', ['never', 'advise'])
def test_not_given(mounted, option):
    directory = mounted(option)
    assert 'huge=always' in large_pages.problem(directory, pool.TMPFS)
    assert large_pages.sizes_kb(directory, pool.TMPFS) == [4]
    assert not large_pages.are_given(allocated(directory), SIZE)


@pytest.mark.parametrize('option', ['always', 'never'])
@pytest.mark.parametrize('word, words', [
    ('deny', 'shmem_enabled is deny'), ('force', None)])
def test_host_decides(mounted, tmp_path_factory, monkeypatch, option, word,
                      words):
    directory = mounted(option)
    file = tmp_path_factory.mktemp('sys') / 'shmem_enabled'
    file.write_text('always advise [%s]\n' % word)
    monkeypatch.setattr(large_pages, '_SHMEM_ENABLED', str(file))
    found = large_pages.problem(directory, pool.TMPFS)
    assert (words in found if words else
            found is None or 'Linux 6.7' in found)


def test_ordinary_file_system(tmp_path):
    assert 'ordinary' in large_pages.problem(str(tmp_path), pool.FILE)


def test_kernel_that_does_not_say(monkeypatch):
    monkeypatch.setattr(large_pages, '_PAGEMAP_SCAN', 0)
    assert 'Linux 6.7' in large_pages.problem('/', pool.DAX)
