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

"""The role of the documentation that names files and functions."""

import importlib.util
import pathlib

import pytest

TOP = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def role():
    spec = importlib.util.spec_from_file_location(
        'source_reference', TOP / 'doc/source/_ext/source_reference.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('reference', [
    'virt/', 'nova_temporality/virt/', 'virt/driver.py',
    'virt/driver.py:spawn', 'tests/unit/test_doc.py:role',
    'native/include/vpm.h', 'native/include/vpm.h:vpm_pool_open'])
def test_what_is_there(role, reference):
    assert role.problem(reference) is None


@pytest.mark.parametrize('reference, missing', [
    ('attic/', 'attic/'), ('virt', 'virt'), ('virt/attic.py', 'attic.py'),
    ('virt/driver.py:spaw', 'spaw'), ('virt/attic.py:spawn', 'attic.py'),
    # They are called there, and defined elsewhere.
    ('virt/driver.py:check_request', 'check_request'),
    ('cmd/admin.py:register_opts', 'register_opts')])
def test_what_is_not_there(role, reference, missing):
    assert missing in role.problem(reference)
