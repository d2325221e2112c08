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

"""How long an outage may be."""

import pytest

from nova_temporality.spec import errors
from nova_temporality.spec import max_outage


@pytest.mark.parametrize('specs, seconds', [
    ({}, None),
    ({'temporality:max_outage': '30'}, 30),
    ({'temporality:max_outage': '0'}, 0),
])
def test_flavor_says_how_long(specs, seconds):
    assert max_outage.of_flavor(specs) == seconds


@pytest.mark.parametrize('value', ['-1', 'soon', '1.5', ''])
def test_bad_value_is_named(value):
    with pytest.raises(errors.InvalidSpec) as e:
        max_outage.of_flavor({'temporality:max_outage': value})
    assert "'%s'" % value in str(e.value)
    assert 'seconds' in str(e.value)
