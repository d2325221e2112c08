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

"""How fast the disk of a vault is."""

import os

import pytest

from nova_temporality.host import vault_bandwidth
from nova_temporality.vault import measuring
from nova_temporality.vault import place


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """As much memory as a test needs."""
    monkeypatch.setattr(measuring, '_MEMORY', 1 << 20)
    monkeypatch.setattr(measuring, '_MOST', 3)
    monkeypatch.setattr(measuring, '_COMPARING', 1e-9)


def there(host):
    return sorted(os.listdir(host.vault))


def test_measured(host):
    before = there(host)
    measured = measuring.measure(host.vault)
    assert measured.path == host.vault
    assert measured.mib_per_s > 0
    assert measured.compared_mib_per_s > 0
    assert vault_bandwidth.read(host.vault) == measured
    assert there(host) == sorted([*before, 'bandwidth'])


def test_what_is_compared_is_not_written(host, monkeypatch):
    written = []
    write = measuring.data.write

    def write_and_count(*args, **kwargs):
        made, size = write(*args, **kwargs)
        written.append(size)
        return made, size

    monkeypatch.setattr(measuring.data, 'write', write_and_count)
    measuring.measure(host.vault)
    assert written == 4 * [1 << 20] + [0]


def test_all_that_is_written_is_random_and_reserved(host, monkeypatch):
    seen = []

    def remember(vault, mib_per_s, compared):
        seen.append(mib_per_s)

    write = measuring.data.write

    def look(path, directory, part, *args, **kwargs):
        assert os.path.getsize(path) == 3 << 20
        made = write(path, directory, part, *args, **kwargs)
        with open(path, 'rb') as spare:
            spare.seek(part.at)
            assert len(set(spare.read(65536))) == 256
        seen.append(part.at)
        return made

    monkeypatch.setattr(measuring.data, 'write', look)
    monkeypatch.setattr(vault_bandwidth, 'note', remember)
    measuring.measure(host.vault)
    assert seen[:3] == [0, 1 << 20, 2 << 20]
    assert seen[-1] > 0


def test_bounded_in_time(host, monkeypatch):
    written = []
    write = measuring.data.write

    def write_and_count(*args):
        written.append(1)
        return write(*args)

    monkeypatch.setattr(measuring.data, 'write', write_and_count)
    monkeypatch.setattr(measuring, '_compare', lambda *args: 1.0)
    # The least that there is.
    monkeypatch.setattr(measuring, '_SECONDS', 1e-9)
    measuring.measure(host.vault)
    assert len(written) == 1


def test_gives_way_to_who_writes(host):
    with place.locked(host.vault):
        with pytest.raises(place.VaultError, match='being written'):
            measuring.measure(host.vault)
    assert vault_bandwidth.read(host.vault) is None
    assert 'spare' not in there(host)


def test_no_room(host, monkeypatch):
    monkeypatch.setattr(measuring, '_MEMORY', 1 << 60)
    monkeypatch.setattr(os, 'urandom', lambda size: b'')
    with pytest.raises(place.VaultError, match='make room'):
        measuring.measure(host.vault)


def test_no_vault(tmp_path):
    with pytest.raises(place.VaultError, match='is no vault'):
        measuring.measure(str(tmp_path))


def test_left_behind(host):
    with open(os.path.join(host.vault, 'spare'), 'wb') as spare:
        spare.truncate(9 << 20)
    measuring.measure(host.vault)
    assert 'spare' not in there(host)
