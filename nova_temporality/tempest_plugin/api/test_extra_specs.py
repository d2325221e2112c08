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

"""Extra specs are validated when they are set, since microversion 2.86."""

from typing import Any

import ddt
from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc

from nova_temporality.spec import max_outage
from nova_temporality.spec import persistence
from nova_temporality.spec import sizing
from nova_temporality.tempest_plugin import base


@ddt.ddt
class ExtraSpecsTest(base.PersistentServersTest):
    """What nova-api says of them."""

    def _set(self, spec: dict[str, str]) -> Any:
        flavor = self.make_flavor()
        self.admin_flavors_client.set_flavor_extra_spec(flavor, **spec)
        return self.admin_flavors_client.list_flavor_extra_specs(
            flavor)['extra_specs']

    @decorators.idempotent_id('3392c875-a96f-4082-bb12-f493f2baf4d3')
    def test_good_ones(self) -> None:
        spec = {persistence.FLAVOR_EXTRA_SPEC: 'true',
                sizing.MRR_EXTRA_SPEC: '60',
                max_outage.MAX_OUTAGE_EXTRA_SPEC: '3600'}
        self.assertEqual(spec, self._set(spec))

    @decorators.attr(type='negative')
    @decorators.idempotent_id('1e29e5d5-4693-4320-b5cd-c64c88593b69')
    @ddt.data({persistence.FLAVOR_EXTRA_SPEC: 'maybe'},
              {'temporality:persistant': 'true'},
              {sizing.MRR_EXTRA_SPEC: '9'},
              {sizing.MRR_EXTRA_SPEC: '101'},
              {sizing.MRR_EXTRA_SPEC: 'half'},
              {sizing.NVRAM_EXTRA_SPEC: '0'},
              {max_outage.MAX_OUTAGE_EXTRA_SPEC: '-1'})
    def test_bad_ones(self, spec: dict[str, str]) -> None:
        [(key, value)] = spec.items()
        refusal = self.assertRaises(lib_exc.BadRequest, self._set, spec)
        self.assertIn(key if value == 'true' else value, str(refusal))
