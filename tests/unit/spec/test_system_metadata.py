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

"""What we note on a server stays with the server, and out of its images."""

from nova.compute import utils as compute_utils
from nova import context
from nova import objects
from nova import utils as nova_utils
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality.spec import persistence
from nova_temporality.spec import system_metadata
from nova_temporality.spec import validators
from nova_temporality.virt import genid
from nova_temporality.virt.recovery import former
from tests.unit import base

WISH = 'image_' + persistence.IMAGE_PROPERTY

# As they were named at first.
EARLIER = {'temporality_persistent': 'true', 'temporality_own_wish': 'false',
           'temporality_genid': 'a', 'temporality_former_vm_state': 'paused',
           'temporality_target_name': 'b'}


class SystemMetadataTest(base.NovaTestCase):

    def server(self, **noted):
        return objects.Instance(
            uuid=uuids.server, project_id='p', vm_state='active',
            task_state=None,
            system_metadata=dict(noted, image_disk_format='raw'))

    def spawned(self, is_persistent, by_server, **noted):
        server = self.server(**noted)
        persistence.freeze(server, is_persistent, by_server)
        genid.record(server, genid.new())
        former.remember(server)
        system_metadata.put(server, 'target_name', 'x')
        return server

    def in_image(self, server):
        """What Nova puts into an image of a server, with us in nova-api."""
        self.stub_out('nova.compute.utils.NON_INHERITABLE_IMAGE_NAMESPACES',
                      compute_utils.NON_INHERITABLE_IMAGE_NAMESPACES)
        validators.register()
        validators.register()
        return compute_utils.initialize_instance_snapshot_metadata(
            context.RequestContext(project_id='p'), server, 'i')['properties']

    def from_image(self, properties):
        """Whether a server that is created from an image becomes a pVM."""
        return persistence.is_requested(
            {}, nova_utils.get_system_metadata_from_image(
                {'properties': properties}), {})

    def test_nothing_of_ours_is_in_images(self):
        for by_server in (False, True):
            self.assertEqual({}, self.in_image(self.spawned(True, by_server)))

    def test_the_wish_of_an_image_is_inherited(self):
        server = self.spawned(True, True, **{WISH: 'yes'})
        properties = self.in_image(server)
        self.assertEqual({persistence.IMAGE_PROPERTY: 'yes'}, properties)
        self.assertTrue(self.from_image(properties))

    def test_what_gets_into_images_all_the_same_asks_for_nothing(self):
        # a nova-api without us
        for by_server in (False, True):
            self.assertFalse(self.from_image(
                nova_utils.get_image_from_system_metadata(
                    self.spawned(True, by_server).system_metadata)[
                        'properties']))

    def test_images_of_an_earlier_release(self):
        # Its flavor asked; neither it nor its image did.
        self.assertFalse(self.from_image(dict(EARLIER)))
        # This one, or its image, asked: nobody can tell which.
        self.assertTrue(self.from_image(
            dict(EARLIER, temporality_own_wish='true')))

    def test_names_of_an_earlier_release_are_read(self):
        server = self.server(**EARLIER)
        self.assertTrue(persistence.is_pvm(server))
        self.assertEqual('a', genid.of(server))
        server.vm_state = 'error'
        self.assertEqual('paused', former.vm_state(server))

    def test_what_is_written_takes_the_place_of_the_earlier(self):
        server = self.server(**EARLIER)
        persistence.freeze(server, False)
        self.assertFalse(persistence.is_pvm(server))
        for name in ('temporality_persistent', 'temporality_own_wish'):
            self.assertNotIn(name, server.system_metadata)
        former.forget(server)
        server.vm_state = 'error'
        self.assertEqual('active', former.vm_state(server))

    def test_renaming(self):
        server = self.server(**EARLIER)
        self.assertTrue(system_metadata.rename(server))
        self.assertFalse(set(EARLIER) & set(server.system_metadata))
        self.assertTrue(persistence.is_pvm(server))
        self.assertFalse(persistence.with_flavor(server, {}))
        self.assertEqual('a', genid.of(server))
        self.assertFalse(system_metadata.rename(server))
        self.assertEqual({}, self.in_image(server))
