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

"""Whether the energy lasts for writing all servers to the vault."""

import os

from nova_temporality.host import vault_bandwidth
from nova_temporality.vault import forecast

MIB = 1 << 20


def make(host, hold_up=10, more=0):
    return forecast.make(host.pool, hold_up, more)


def test_what_is_allocated_counts(host):
    assert forecast.bytes_to_write(host.pool) == 0
    region = host.server()
    before = forecast.bytes_to_write(host.pool)
    # A sparse file, as far as one is.
    with open(region.ram_path, 'r+b') as ram:
        ram.truncate(0)
        ram.truncate(region.size)
    sparse = forecast.bytes_to_write(host.pool)
    assert sparse < before
    host.poke(region, b'x' * 65536, 0)
    assert forecast.bytes_to_write(host.pool) == sparse + 65536


def test_table_and_state_count(host):
    region = host.server(is_paged=True)
    held = sum(os.stat(os.path.join(region.directory, name)).st_blocks * 512
               for name in ('ram', 'ppt', 'state'))
    assert forecast.bytes_to_write(host.pool) == held


def test_fits(host):
    host.server()
    vault_bandwidth.note(host.vault, 1.0)
    size = forecast.bytes_to_write(host.pool)
    found = make(host)
    assert (found.bytes, found.problem, found.fits) == (size, None, True)
    assert found.predicted == round(size / MIB, 3)
    assert make(host, more=10 * MIB).fits is False


def test_never_measured(host):
    found = make(host)
    assert (found.predicted, found.fits) == (None, False)
    assert 'vault measure' in found.problem


def test_disk_is_not_there(host):
    vault_bandwidth.note(host.vault, 1.0)
    os.rename(host.vault, host.vault + '.away')
    found = make(host)
    assert found.fits is False
    assert 'is no vault' in found.problem


def test_nobody_relies_on_it(host):
    found = make(host, hold_up=0, more=1 << 50)
    assert (found.problem, found.fits) == (None, True)
