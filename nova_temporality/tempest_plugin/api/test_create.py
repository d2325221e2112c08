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

"""Asking for persistence when a server is created."""

from tempest.common import waiters
from tempest import config
from tempest.lib import decorators
import testtools

from nova_temporality.spec import persistence
from nova_temporality.spec import resources
from nova_temporality.spec import sizing
from nova_temporality.tempest_plugin import base

CONF = config.CONF


class CreateTest(base.PersistentServersTest):
    """What is claimed in Placement, and what an error says."""

    def _fault(self, flavor: str, **properties: str) -> str:
        """Return the fault of a server that cannot be created."""
        server_id = self.make_server(flavor, wait_until=None,
                                     **properties)['id']
        self.addCleanup(self.delete, server_id)
        server = waiters.wait_for_server_status(
            self.servers_client, server_id, 'ERROR', raise_on_error=False)
        self.assertEqual({}, self.allocations(server_id))
        return str(server['fault']['message'])

    @testtools.skipUnless(
        CONF.temporality_feature_enabled.server_property,
        'this cloud leaves persistence to flavors and images')
    @decorators.idempotent_id('0c2f1ffa-9f1a-4d65-aa3d-c24050aac503')
    def test_by_property_and_delete(self) -> None:
        server = self.make_server(self.plain_flavor, persistent='true')
        self.assert_nvram(server['id'], self.size['ram'])
        self.delete(server['id'])
        self.assertEqual({}, self.allocations(server['id']))

    @decorators.idempotent_id('d0d87462-c2e8-4d82-a4ee-d50659713225')
    def test_by_flavor(self) -> None:
        server = self.make_server(self.persistent_flavor)
        self.assert_nvram(server['id'], self.size['ram'])

    @decorators.idempotent_id('3e97b313-f3da-4f19-96ca-bfd8890e87c2')
    def test_property_false_is_an_ordinary_server(self) -> None:
        server = self.make_server(self.plain_flavor, persistent='false')
        claimed = self.allocations(server['id'])
        self.assertEqual(self.size['ram'], claimed['MEMORY_MB'])
        self.assertNotIn(resources.NVRAM_MB, claimed)

    @decorators.attr(type='negative')
    @decorators.idempotent_id('000d7176-ae1e-4bc9-927e-6b47e2c3a3ca')
    def test_bad_property_is_named(self) -> None:
        fault = self._fault(self.plain_flavor, persistent='maybe')
        self.assertIn("'maybe'", fault)
        self.assertIn(persistence.SERVER_PROPERTY, fault)

    @decorators.attr(type='negative')
    @decorators.idempotent_id('0a208592-2e0e-499e-99f7-9b3c9e6378d0')
    def test_sizes_that_exclude_each_other(self) -> None:
        flavor = self.make_flavor(**{persistence.FLAVOR_EXTRA_SPEC: 'true',
                                     sizing.MRR_EXTRA_SPEC: '50',
                                     sizing.NVRAM_EXTRA_SPEC: '64'})
        self.assertIn('exclude each other', self._fault(flavor))

    @testtools.skipUnless(CONF.temporality_feature_enabled.paging,
                          'this cloud keeps servers wholly in NVRAM')
    @decorators.idempotent_id('21d40dbf-6c7c-4bcb-859d-c65a717895f8')
    def test_less_nvram_than_memory(self) -> None:
        flavor = self.make_flavor(**{persistence.FLAVOR_EXTRA_SPEC: 'true',
                                     sizing.MRR_EXTRA_SPEC: '50'})
        server = self.make_server(flavor)
        self.assert_nvram(server['id'], self.size['ram'] // 2)
