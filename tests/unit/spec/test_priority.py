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

"""Which pVMs are fixated first."""

from nova.api.validation.extra_specs import validators
from nova import exception
import pytest

from nova_temporality.spec import errors
from nova_temporality.spec import priority


def test_of_flavor():
    assert priority.of_flavor({}) == 50
    assert priority.of_flavor({'temporality:priority': '0'}) == 0
    assert priority.of_flavor({'temporality:priority': '100'}) == 100


@pytest.mark.parametrize('value', ['', '-1', '101', 'high', '1.5'])
def test_bad_value_is_named(value):
    with pytest.raises(errors.InvalidSpec) as caught:
        priority.of_flavor({'temporality:priority': value})
    assert 'temporality:priority' in str(caught.value)
    assert "'%s'" % value in str(caught.value)


def test_api_validates():
    validators.validate('temporality:priority', '0')
    validators.validate('temporality:priority', '100')
    for name, value in (('temporality:priority', '101'),
                        ('temporality:priority', 'high'),
                        ('temporality:prioritty', '1')):
        with pytest.raises(exception.ValidationError):
            validators.validate(name, value)


def test_waves():
    assert priority.waves({}) == []
    assert priority.waves({'b': 50, 'a': 50}) == [['a', 'b']]
    assert priority.waves({'low': 0, 'a': 50, 'high': 100, 'b': 50}) == [
        ['high'], ['a', 'b'], ['low']]
