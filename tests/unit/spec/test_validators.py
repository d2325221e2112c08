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

"""The flavors' extra specs, as nova-api checks them."""

from nova.api.validation.extra_specs import validators
from nova import exception
import pytest


@pytest.mark.parametrize('name, value', [
    ('temporality:persistent', 'true'),
    ('temporality:mrr', '60'),
    ('temporality:nvram_mb', '512'),
    ('temporality:max_outage', '0'),
])
def test_good(name, value):
    validators.validate(name, value)


@pytest.mark.parametrize('name', ['temporality:persistant',
                                  'temporality:max_outages'])
def test_typo_is_named(name):
    with pytest.raises(exception.ValidationError, match=name):
        validators.validate(name, 'true')


@pytest.mark.parametrize('name, value', [
    ('temporality:persistent', 'maybe'),
    ('temporality:mrr', '9'),
    ('temporality:max_outage', '-1'),
    ('temporality:max_outage', 'soon'),
])
def test_bad_value_is_named(name, value):
    with pytest.raises(exception.ValidationError, match=value):
        validators.validate(name, value)
