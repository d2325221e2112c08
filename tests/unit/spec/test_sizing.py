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

"""How much NVRAM a pVM gets."""

import pytest

from nova_temporality.spec import errors
from nova_temporality.spec import sizing


@pytest.mark.parametrize('specs, wanted', [
    ({}, 1000),
    ({'temporality:mrr': '60'}, 600),
    ({'temporality:mrr': '100'}, 1000),
    ({'temporality:mrr': '10'}, 100),
    ({'temporality:nvram_mb': '333'}, 333),
    ({'temporality:nvram_mb': '1000'}, 1000),
    ({'temporality:nvram_mb': '100'}, 100),
])
def test_size(specs, wanted):
    assert sizing.nvram_mb(1000, specs) == wanted


@pytest.mark.parametrize('specs', [
    {'temporality:mrr': '9'}, {'temporality:mrr': '101'},
    {'temporality:mrr': 'most'}, {'temporality:mrr': '60%'},
    {'temporality:mrr': ''}, {'temporality:nvram_mb': '99'},
    {'temporality:nvram_mb': '1001'}, {'temporality:nvram_mb': '1.5'},
])
def test_bad_value_is_named(specs):
    [(key, value)] = specs.items()
    with pytest.raises(errors.InvalidSpec) as caught:
        sizing.nvram_mb(1000, specs)
    assert key in str(caught.value)
    assert "'%s'" % value in str(caught.value)


def test_one_of_both():
    with pytest.raises(errors.InvalidSpec, match='exclude'):
        sizing.nvram_mb(1000, {'temporality:mrr': '60',
                               'temporality:nvram_mb': '600'})


def test_tiny_servers_get_something():
    assert sizing.nvram_mb(4, {'temporality:mrr': '10'}) == 1
