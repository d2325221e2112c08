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

"""The note of how fast the disk of a vault is."""

import json

import pytest

from nova_temporality.host import paths
from nova_temporality.host import vault_bandwidth


@pytest.fixture
def vault(tmp_path):
    return str(tmp_path)


def test_noted(vault):
    noted = vault_bandwidth.note(vault, 812.3456)
    assert (noted.path, noted.mib_per_s) == (vault, 812.3)
    assert vault_bandwidth.read(vault) == noted
    noted = vault_bandwidth.note(vault, 812.3456, 3000.06)
    assert noted.compared_mib_per_s == 3000.1
    assert vault_bandwidth.read(vault) == noted


@pytest.mark.parametrize('value', [None, 0, -1, float('inf'), float('nan')])
def test_not_compared(vault, value):
    vault_bandwidth.note(vault, 1.0, value)
    found = vault_bandwidth.read(vault)
    assert (found.mib_per_s, found.compared_mib_per_s) == (1.0, None)


def test_never(vault):
    assert vault_bandwidth.read(vault) is None


@pytest.mark.parametrize('changes', [
    {'path': '/elsewhere'}, {'mib_per_s': 0}, {'mib_per_s': -1},
    {'mib_per_s': 'NaN'}, {'mib_per_s': 'inf'}, {'mib_per_s': 'fast'},
    {'mib_per_s': None}])
def test_of_no_use(vault, changes):
    vault_bandwidth.note(vault, 1.0)
    path = paths.vault_bandwidth(vault)
    with open(path, encoding='utf-8') as note:
        fields = json.load(note)
    with open(path, 'w', encoding='utf-8') as note:
        json.dump(fields | changes, note)
    assert vault_bandwidth.read(vault) is None


@pytest.mark.parametrize('content', [b'', b'[]', b'{}', b'\xff'])
def test_damaged(vault, content):
    with open(paths.vault_bandwidth(vault), 'wb') as note:
        note.write(content)
    assert vault_bandwidth.read(vault) is None
