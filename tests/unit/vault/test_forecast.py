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
    assert forecast.sizes(host.pool).to_write == 0
    region = host.server()
    before = forecast.sizes(host.pool).to_write
    # A sparse file, as far as one is.
    with open(region.ram_path, 'r+b') as ram:
        ram.truncate(0)
        ram.truncate(region.size)
    sparse = forecast.sizes(host.pool).to_write
    assert sparse < before
    host.poke(region, b'x' * 65536, 0)
    assert forecast.sizes(host.pool).to_write == sparse + 65536


def test_table_and_state_count(host):
    region = host.server(is_paged=True)
    held = sum(os.stat(os.path.join(region.directory, name)).st_blocks * 512
               for name in ('ram', 'ppt', 'state'))
    assert forecast.sizes(host.pool).to_write == held


def test_fits(host):
    host.server()
    vault_bandwidth.note(host.vault, 1.0)
    size = forecast.sizes(host.pool).to_write
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


class TestBounded:
    """The disk takes 1 MiB in a second; 4 MiB are compared in one."""

    MEASURED = vault_bandwidth.Bandwidth('/vault', 1.0, 'now', 4.0)

    def of(self, size, hold_up=10, measured=MEASURED):
        return forecast.of('/vault', hold_up, forecast.Sizes(*(
            number * MIB for number in size)), forecast.Look(measured, None),
            forecast.Bounded({'pvm': 1}))

    def test_what_is_left_is_written_and_the_rest_compared(self):
        found = self.of((12, 8, 2))
        assert found.bytes == 6 * MIB
        assert found.predicted == 6 + 6 / 4
        assert found.fits
        assert not self.of((12, 8, 6)).fits

    def test_room_is_what_just_fits(self):
        found = self.of((12, 8, 0))
        assert 0 < found.room < 8 * MIB
        left = found.room / MIB
        assert self.of((12, 8, left)).predicted == 10
        assert self.of((12, 8, left)).fits
        assert not self.of((12, 8, left + 0.1)).fits

    def test_room_is_not_more_than_there_is(self):
        assert self.of((12, 8, 0), hold_up=1000).room == 8 * MIB

    def test_no_room(self):
        """What is written in any case takes all of the time."""
        found = self.of((18, 8, 0))
        assert (found.room, found.fits) == (0, False)

    def test_comparing_takes_no_time(self):
        measured = vault_bandwidth.Bandwidth('/vault', 4.0, 'now', 4.0)
        assert self.of((12, 8, 0), measured=measured).room == 8 * MIB

    def test_nobody_measured_how_long_comparing_takes(self):
        found = self.of((12, 8, 0), hold_up=11,
                        measured=vault_bandwidth.Bandwidth(
                            '/vault', 1.0, 'now'))
        assert (found.bytes, found.predicted) == (12 * MIB, 12)
        assert (found.bounded, found.room, found.fits) == (0, None, False)
        assert 'again' in found.counted['pvm']
        assert found.left == {}

    def test_sizes_of_a_pool(self, host):
        region = host.server()
        whole = forecast.sizes(host.pool)
        assert (whole.bounded, whole.left) == (0, 0)
        found = forecast.sizes(host.pool, forecast.Bounded({'pvm': 65536}))
        assert found == (whole.all, region.size, 65536)
        assert found.to_write == whole.all - region.size + 65536
        # No more is left than there is.
        found = forecast.sizes(host.pool, forecast.Bounded({'pvm': 1 << 50}))
        assert found.to_write == whole.all

    def test_more_servers(self, host):
        """Of the memory of all, a part has to have room."""
        vault_bandwidth.note(host.vault, 1.0, 1e9)
        region = host.server()
        bounded = forecast.Bounded({'pvm': 0})
        state = forecast.sizes(host.pool).all - region.size
        found = forecast.make(host.pool, 10, 12 * MIB, 11 * MIB, bounded)
        assert found.bytes == state + MIB + round(12 * MIB * 0.11)
        # Whoever does not know that others are bounded counts all.
        found = forecast.make(host.pool, 10, 12 * MIB, 11 * MIB)
        assert found.bytes == state + region.size + 12 * MIB
