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

"""A server whose rebuild was refused is described by its own image again."""

from unittest import mock

import fixtures
from nova import exception as nova_exception
from nova import objects
from nova import utils as nova_utils
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality.spec import persistence
from nova_temporality.virt import image_of_record
from tests.unit.virt import base

XML = """<domain><metadata>
<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>
<nova:root type='image' uuid='%s'/></nova:instance></metadata></domain>"""

OLD = {'id': uuids.old, 'min_disk': 0, 'disk_format': 'qcow2',
       'properties': {'kernel_id': uuids.kernel, 'os_type': 'linux',
                      'hw_disk_bus': 'virtio'}}
NEW = {'id': uuids.new, 'properties': {
    persistence.IMAGE_PROPERTY: 'true', 'hw_disk_bus': 'ide'}}


class ImageOfRecordTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        # As Nova's API leaves it.
        self.server = self.make_server(persistent=False)
        self.server.update({'image_ref': uuids.new, 'kernel_id': '',
                            'ramdisk_id': '', 'os_type': None})
        self.server.system_metadata.update(
            nova_utils.get_system_metadata_from_image(NEW),
            image_base_image_ref=uuids.new)
        self.guest = mock.Mock()
        self.guest.get_xml_desc.return_value = XML % uuids.old
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest', return_value=self.guest))
        self.placed = objects.RequestSpec(
            image=objects.ImageMeta.from_dict(NEW))
        self.placed.obj_reset_changes(recursive=True)
        self.spec = self.useFixture(fixtures.MockPatchObject(
            objects.RequestSpec, 'get_by_instance_uuid',
            return_value=self.placed)).mock
        self.spec_saved = self.useFixture(fixtures.MockPatchObject(
            objects.RequestSpec, 'save')).mock
        self.images = self.useFixture(fixtures.MockPatchObject(
            self.driver._image_api, 'get', return_value=OLD)).mock

    def refuse(self):
        self.assertRaises(
            nova_exception.InstanceFaultRollback, self.driver.rebuild,
            self.context, self.server, self.image(), [], None, {}, [],
            None, None, network_info=[])

    def properties(self):
        return {key: str(value) for key, value in
                self.server.system_metadata.items()
                if key.startswith('image_')}

    def test_all_is_as_before(self):
        self.refuse()
        self.assertEqual(uuids.old, self.images.call_args[0][1])
        self.assertEqual({
            'image_base_image_ref': uuids.old, 'image_min_disk': '1',
            'image_disk_format': 'qcow2', 'image_kernel_id': uuids.kernel,
            'image_os_type': 'linux', 'image_hw_disk_bus': 'virtio'},
            self.properties())
        self.assertEqual(uuids.old, self.server.image_ref)
        self.assertEqual(uuids.kernel, self.server.kernel_id)
        self.assertEqual('linux', self.server.os_type)
        self.assertIs(False, persistence.decision(self.server))
        self.assertTrue(self.saved.called)

    def test_scheduler_goes_by_its_own_image_again(self):
        """Nova's API has saved the refused one for later moves."""
        self.refuse()
        self.assertEqual(self.server.uuid, self.spec.call_args[0][1])
        self.assertEqual(uuids.old, self.placed.image.id)
        self.assertEqual('virtio', self.placed.image.properties.hw_disk_bus)
        self.assertEqual({'image'}, set(self.placed.obj_get_changes()))
        self.assertTrue(self.spec_saved.called)

    def test_conductor_that_does_not_know_what_the_scheduler_has(self):
        """That of a cell often has no access to the API's database."""
        self.spec.side_effect = RuntimeError('no connection')
        with self.assertLogs(image_of_record.LOG.logger, 'WARNING') as logs:
            self.refuse()
        self.assertIn('no connection', logs.output[0])
        self.assertEqual(uuids.old, self.server.image_ref)

    def test_image_is_gone(self):
        # As Nova itself does when no host is found for a rebuild.
        self.images.side_effect = nova_exception.ImageNotFound(
            image_id=uuids.old)
        self.refuse()
        self.assertFalse(self.spec_saved.called)
        self.assertEqual(uuids.old, self.server.image_ref)
        self.assertEqual('ide', self.properties()['image_hw_disk_bus'])

    def test_nothing_is_known_of_an_earlier_image(self):
        before = dict(self.server.system_metadata)
        for xml in (XML % uuids.new, '<domain/>'):
            self.guest.get_xml_desc.return_value = xml
            self.refuse()
        self.driver._host.get_guest.side_effect = (
            nova_exception.InstanceNotFound(instance_id='x'))
        self.refuse()
        self.assertEqual(uuids.new, self.server.image_ref)
        self.assertEqual(before, self.server.system_metadata)
        self.assertFalse(self.images.called)

    def test_root_on_a_volume(self):
        self.server.image_ref = ''
        image_of_record.restore(self.context, self.driver._host,
                                self.driver._image_api, self.server)
        self.assertEqual('', self.server.image_ref)
