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

"""The driver in a virtual machine; every test in there is one here."""

import re

import pytest

from tests.pod import build
from tests.pod import machine

# Lines of tables like {"signal_44", signal_44},
_ENTRY = re.compile(r'    \{"(\w+)", \1\},')
# It runs in a machine that looks as if it were none.
_BARE = build.HERE / 'guest' / 'bare.c'


def names(sources):
    return [name for source in sources
            for name in _ENTRY.findall(source.read_text())]


@pytest.fixture(scope='module')
def virtual():
    return machine.Machine()


@pytest.fixture(scope='module')
def bare():
    return machine.Machine('bare', 'qemu64,-hypervisor')


def check(guest, name):
    assert guest.passed.get(name), '\n'.join(
        guest.said + guest.kernel_log.splitlines()[-50:])


@pytest.mark.parametrize('name', names(
    source for source in sorted((build.HERE / 'guest').glob('*.c'))
    if source != _BARE))
def test_in_machine(virtual, name):
    check(virtual, name)


@pytest.mark.parametrize('name', names([_BARE]))
def test_on_bare_metal(bare, name):
    check(bare, name)


def test_machine_ends_by_itself(virtual):
    assert not virtual.hung
    assert virtual.said[-1] == '1..%d' % len(virtual.passed)


def test_kernel_has_no_complaints(virtual):
    complaints = [
        line for line in virtual.kernel_log.splitlines()
        if re.search(r'BUG|WARNING|Oops|Call Trace|stall|lockup', line)]
    assert complaints == []
