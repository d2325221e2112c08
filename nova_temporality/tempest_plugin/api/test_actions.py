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

"""What every action does to a persistent server and its guest.

That the actions work as such is what tempest's own tests are for.
"""

from tempest import config
from tempest.lib import decorators
import testtools

from nova_temporality.tempest_plugin import base

CONF = config.CONF
FEATURES = CONF.compute_feature_enabled


class ActionsTest(base.PersistentServersTest):
    """One server for all of them; each leaves it running."""

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.server_id = cls.make_server(cls.persistent_flavor)['id']
        cls.larger_flavor = cls.make_flavor(
            32, **{'temporality:persistent': 'true'})

    def setUp(self) -> None:
        super().setUp()
        if self.show(self.server_id)['status'] != 'ACTIVE':
            # an earlier test has failed
            type(self).server_id = self.make_server(
                self.persistent_flavor)['id']
        self.before = self.life(self.server_id)

    def _assert_ran_on(self) -> None:
        self.assert_nvram(self.server_id, self.size['ram'])
        self.assert_ran_on(self.server_id, self.before)

    def _assert_booted_anew(self) -> None:
        self.assert_nvram(self.server_id, self.size['ram'])
        self.assert_booted_anew(self.server_id, self.before)

    # -- for which a guest is booted anew -------------------------------------

    @decorators.idempotent_id('886f7483-46c5-4bc2-a376-b2a63786e738')
    def test_stop_and_start(self) -> None:
        self.servers_client.stop_server(self.server_id)
        self.wait(self.server_id, 'SHUTOFF')
        self.assert_nvram(self.server_id, self.size['ram'])
        self.servers_client.start_server(self.server_id)
        self.wait(self.server_id, 'ACTIVE')
        self._assert_booted_anew()

    @decorators.idempotent_id('f9b8c37b-6c28-45ad-bce8-3f6ed50b7507')
    def test_hard_reboot(self) -> None:
        self.reboot_server(self.server_id, 'HARD')
        self._assert_booted_anew()

    @decorators.idempotent_id('c9b94d0b-70d5-49c1-a649-60b79a971563')
    def test_rebuild(self) -> None:
        self.servers_client.rebuild_server(self.server_id, self.image)
        self.wait(self.server_id, 'ACTIVE')
        self._assert_booted_anew()

    # -- of which a guest notices nothing -------------------------------------

    @decorators.idempotent_id('4ae25eec-c9ca-431c-b21c-0d2ddfab8768')
    def test_pause_and_unpause(self) -> None:
        self.servers_client.pause_server(self.server_id)
        self.wait(self.server_id, 'PAUSED')
        self.servers_client.unpause_server(self.server_id)
        self.wait(self.server_id, 'ACTIVE')
        self._assert_ran_on()

    @decorators.idempotent_id('9fce3226-4907-47a4-a10d-f4bdfba9b488')
    def test_property_changed_later_changes_nothing(self) -> None:
        self.servers_client.update_server_metadata(
            self.server_id, {'persistent': 'false'})
        self.addCleanup(self.servers_client.delete_server_metadata_item,
                        self.server_id, 'persistent')
        self.reboot_server(self.server_id, 'HARD')
        self._assert_booted_anew()

    @testtools.skipUnless(FEATURES.suspend, 'suspend not available')
    @decorators.idempotent_id('bf4d51ec-00c5-4890-b9e9-23c6a495703f')
    def test_suspend_and_resume(self) -> None:
        self.servers_client.suspend_server(self.server_id)
        self.wait(self.server_id, 'SUSPENDED')
        self.assert_nvram(self.server_id, self.size['ram'])
        self.servers_client.resume_server(self.server_id)
        self.wait(self.server_id, 'ACTIVE')
        self._assert_ran_on()

    @testtools.skipUnless(FEATURES.snapshot, 'snapshot not available')
    @decorators.idempotent_id('d1a6d320-7061-4031-94f3-ee46745a1b16')
    def test_create_image(self) -> None:
        self.create_image_from_server(self.server_id, wait_until='ACTIVE')
        self._assert_ran_on()

    # -- that need another place or shape -------------------------------------

    @testtools.skipUnless(FEATURES.rescue, 'rescue not available')
    @decorators.idempotent_id('8d539c6c-440d-4150-921d-86c7bd0ce97f')
    def test_rescue_and_unrescue(self) -> None:
        self.servers_client.rescue_server(self.server_id)
        self.wait(self.server_id, 'RESCUE')
        self.servers_client.unrescue_server(self.server_id)
        self.wait(self.server_id, 'ACTIVE')
        self._assert_booted_anew()

    @testtools.skipUnless(FEATURES.shelve, 'shelve not available')
    @decorators.idempotent_id('44937dd5-1cdb-4ce2-8092-850962c705d3')
    def test_shelve_and_unshelve(self) -> None:
        self.servers_client.shelve_server(self.server_id)
        if CONF.compute.shelved_offload_time < 0:
            self.wait(self.server_id, 'SHELVED')
            self.servers_client.shelve_offload_server(self.server_id)
        self.wait(self.server_id, 'SHELVED_OFFLOADED')
        self.assertEqual({}, self.allocations(self.server_id))
        self.servers_client.unshelve_server(self.server_id)
        self.wait(self.server_id, 'ACTIVE')
        self._assert_booted_anew()

    @testtools.skipUnless(FEATURES.resize, 'resize not available')
    @decorators.idempotent_id('9b2b872d-433d-48a4-b764-605700ef96c5')
    def test_resize_and_revert(self) -> None:
        self.servers_client.resize_server(self.server_id, self.larger_flavor)
        self.wait(self.server_id, 'VERIFY_RESIZE')
        self.assert_nvram(self.server_id, self.size['ram'] + 32)
        self.servers_client.revert_resize_server(self.server_id)
        self.wait(self.server_id, 'ACTIVE')
        self._assert_booted_anew()
