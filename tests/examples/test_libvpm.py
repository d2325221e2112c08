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

"""Compiles and runs the example of libvpm in a C program."""

import pathlib
import subprocess

import pytest

from tests.framework import native_build

EXAMPLE = pathlib.Path(__file__).parents[2] / 'examples' / 'libvpm'


@pytest.fixture(scope='module')
def counter(tmp_path_factory):
    build = tmp_path_factory.mktemp('build')
    native_build.run(['make', '-s', '-C', EXAMPLE, 'BUILD=%s' % build,
                      'CFLAGS=-O1 -Wall -Wextra -Werror'])
    return build / 'counter'


@pytest.fixture
def count(counter, tmp_path):
    """Run the program once; return the lines of its output."""
    def run(*words):
        return native_build.run(
            [counter, tmp_path / 'pool', *words]).splitlines()
    return run


def test_a_count_survives(count):
    first = count()
    assert first[0].startswith('boot: ')
    assert 'there is no marker' in first[0]
    assert first[1:] == ['counted to 1', 'fixated']
    assert count() == ['counted to 2', 'fixated']
    assert count() == ['counted to 3', 'fixated']


def test_what_is_not_fixated_is_lost(count):
    count()
    assert count('crash') == ['counted to 2']
    boot = count()
    assert boot[0].startswith('boot: ')
    assert boot[1:] == ['counted to 1', 'fixated']


def test_a_freed_region_begins_anew(count):
    count()
    assert count('free') == []
    assert count()[1:] == ['counted to 1', 'fixated']


def test_misuse_is_told(counter, tmp_path):
    (tmp_path / 'occupied').write_text('')
    result = subprocess.run([counter, tmp_path / 'occupied'], text=True,
                            capture_output=True)
    assert result.returncode == 1
    assert 'cannot open the pool: ' in result.stderr
    assert subprocess.run([counter], capture_output=True).returncode == 1
