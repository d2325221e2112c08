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

"""What the tests have in common: flavors, servers, guests, allocations."""

from typing import Any

from tempest.api.compute import base
from tempest.common import waiters
from tempest import config
from tempest.lib.common.utils import data_utils
from tempest.lib.common.utils import test_utils

from nova_temporality.spec import persistence
from nova_temporality.spec import resources
from nova_temporality.tempest_plugin import guest

CONF = config.CONF


class PersistentServersTest(base.BaseV2ComputeAdminTest):
    """Servers of flavors of our own, as large as [compute] flavor_ref."""

    # Since then Nova validates extra specs.
    min_microversion = '2.86'
    max_microversion = 'latest'

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.size = cls.flavors_client.show_flavor(
            CONF.compute.flavor_ref)['flavor']
        cls.image = CONF.temporality.image_ref or CONF.compute.image_ref
        cls.plain_flavor = cls.make_flavor()
        cls.persistent_flavor = cls.make_flavor(
            **{persistence.FLAVOR_EXTRA_SPEC: 'true'})
        cls.security_group = cls._make_security_group()

    @classmethod
    def make_flavor(cls, more_ram: int = 0, /, **extra_specs: str) -> str:
        """Create a flavor for the class; return its id.

        :param more_ram: MiB more than flavor_ref has
        :param extra_specs: of the flavor
        """
        flavor = cls.admin_flavors_client.create_flavor(
            name=data_utils.rand_name(cls.__name__), vcpus=cls.size['vcpus'],
            ram=cls.size['ram'] + more_ram, disk=cls.size['disk'])['flavor']
        cls.addClassResourceCleanup(cls.admin_flavors_client.delete_flavor,
                                    flavor['id'])
        if extra_specs:
            cls.admin_flavors_client.set_flavor_extra_spec(flavor['id'],
                                                           **extra_specs)
        return str(flavor['id'])

    @classmethod
    def _make_security_group(cls) -> dict[str, Any]:
        """Let witness_command reach the guests by TCP."""
        group: dict[str, Any]
        group = cls.os_primary.security_groups_client.create_security_group(
            name=data_utils.rand_name(cls.__name__))['security_group']
        cls.addClassResourceCleanup(
            test_utils.call_and_ignore_notfound_exc,
            cls.os_primary.security_groups_client.delete_security_group,
            group['id'])
        cls.os_primary.security_group_rules_client.create_security_group_rule(
            security_group_id=group['id'], direction='ingress',
            ethertype='IPv4', protocol='tcp')
        return group

    @classmethod
    def make_server(cls, flavor: str, wait_until: str | None = 'ACTIVE',
                    **properties: str) -> dict[str, Any]:
        """Create a server for the class; return what Nova says of it."""
        server = cls.create_test_server(
            image_id=cls.image, flavor=flavor, metadata=properties,
            wait_until=wait_until,
            security_groups=[{'name': cls.security_group['name']}])
        return cls.show(server['id'])

    @classmethod
    def show(cls, server_id: str) -> dict[str, Any]:
        """Return what Nova says of a server to its owner."""
        server: dict[str, Any]
        server = cls.servers_client.show_server(server_id)['server']
        return server

    def wait(self, server_id: str, status: str) -> Any:
        """Wait until a server has a status and nothing is under way."""
        return waiters.wait_for_server_status(self.servers_client, server_id,
                                              status)

    def delete(self, server_id: str) -> None:
        """Delete a server and wait until it is gone."""
        self.servers_client.delete_server(server_id)
        waiters.wait_for_server_termination(self.servers_client, server_id,
                                            ignore_error=True)

    # -- what becomes of a server ---------------------------------------------

    def allocations(self, server_id: str) -> dict[str, int]:
        """Return a server's allocations in Placement, by resource class."""
        found: dict[str, int] = {}
        reply = self.os_admin.placement_client.list_allocations(server_id)
        for provider in reply['allocations'].values():
            for name, amount in provider['resources'].items():
                found[name] = found.get(name, 0) + amount
        return found

    def assert_nvram(self, server_id: str, mib: int) -> None:
        """Assert that so much NVRAM is claimed, and no memory but QEMU's."""
        claimed = self.allocations(server_id)
        self.assertEqual(mib, claimed.get(resources.NVRAM_MB), claimed)
        # It does not depend on the server's memory, or hardly.
        self.assertLess(claimed.get('MEMORY_MB', 0), 1024, claimed)

    # -- guests ---------------------------------------------------------------

    def life(self, server_id: str) -> guest.Life | None:
        """Return the guest's Life; None if there is no witness_command."""
        command = CONF.temporality.witness_command
        if not command:
            return None
        addresses = self.show(server_id)['addresses']
        address = next(iter(addresses.values()))[0]['addr']
        return guest.life(command, address, self.build_timeout)

    def assert_ran_on(self, server_id: str,
                      before: guest.Life | None) -> None:
        """Assert that a guest was not booted again since then."""
        if before:
            after = self.life(server_id)
            assert after is not None
            self.assertEqual(before.identity, after.identity)
            self.assertGreaterEqual(after.uptime, before.uptime)

    def assert_booted_anew(self, server_id: str,
                           before: guest.Life | None) -> None:
        """Assert that a guest was booted again since then."""
        if before:
            after = self.life(server_id)
            assert after is not None
            self.assertNotEqual(before.identity, after.identity)
