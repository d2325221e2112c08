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

"""A server's memory in pages of 2 MiB, as far as its CPU is concerned."""

import re
import subprocess

import pytest

from nova_temporality.host import large_pages

SIZE = 64 << 20


@pytest.fixture
def nvram(nvram):
    """On a tmpfs that gives them."""
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1G,huge=within_size',
                    'none', str(nvram)], check=True)
    problem = large_pages.problem(str(nvram), 'tmpfs')
    if problem is None:
        yield nvram
    subprocess.run(['umount', '-l', str(nvram)], check=True)
    if problem:
        pytest.skip(problem)


def mapped_large(guest):
    """Bytes of its memory that QEMU has in pages of 2 MiB."""
    with open('/proc/%d/smaps' % guest.process.pid) as smaps:
        text = smaps.read()
    [mapping] = re.findall(
        '%s\n(?:[A-Z].*\n)+' % re.escape(guest.region.ram_path), text)
    return int(re.search(r'ShmemPmdMapped: +(\d+) kB', mapping)[1]) << 10


def test_before_and_after_a_power_cut(host, accel):
    guest = host.guest(accel, size=SIZE)
    assert large_pages.are_given(guest.region.ram_path, SIZE)
    guest.boot()
    # QEMU maps what is touched.
    assert mapped_large(guest) >= 2 << 20
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()

    guest.recover()

    guest.wait_counting()
    assert guest.boots() == 1
    assert mapped_large(guest) >= 2 << 20
