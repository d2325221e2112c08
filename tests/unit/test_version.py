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

"""What version this is, and which Nova is new enough."""

from importlib import metadata
from unittest import mock

import pytest

from nova_temporality import version


def nova(found):
    return mock.patch.object(metadata, 'version', return_value=found)


@pytest.mark.parametrize('found', ['33.0.0', '33.0.0.0rc1', '34.1',
                                   '100.0.1.dev7'])
def test_new_enough(found):
    with nova(found):
        version.require_nova()


@pytest.mark.parametrize('found', ['26.2.2', '32.9.9', '9.0.0'])
def test_too_old(found):
    with nova(found), pytest.raises(ImportError) as caught:
        version.require_nova()
    assert found in str(caught.value) and '33.0.0' in str(caught.value)


def test_none():
    missing = metadata.PackageNotFoundError('nova')
    with mock.patch.object(metadata, 'version', side_effect=missing), \
            pytest.raises(ImportError, match='There is no Nova') as caught:
        version.require_nova()
    assert 'install nova-temporality into' in str(caught.value)


def test_upgrade_does_not_change_what_runs():
    version.version.cache_clear()
    running = version.version()
    with nova('%s.1' % running):
        assert version.version() == running
