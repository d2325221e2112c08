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

"""Runs the native tests, plain and with sanitizers."""

import os

import pytest

from tests.framework import native_build


THREADED = [name for name in native_build.tests()
            if 'threads' in native_build.needs(name)]


def run(name, variant):
    assert os.geteuid() == 0, 'run as root: the tests mount a tmpfs'
    return native_build.run([native_build.program(name, variant)])


@pytest.mark.parametrize('variant', ['plain', 'sanitized'])
@pytest.mark.parametrize('name', native_build.tests())
def test_native(name, variant):
    print(run(name, variant))


@pytest.mark.parametrize('name', THREADED)
def test_no_races(name):
    # Processes that are killed have no exit status to tell by.
    assert 'ThreadSanitizer' not in run(name, 'threads')
