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

"""Volumes of a real Cinder, attached to persistent servers."""

from lxml import etree

from pocketcloud import blockstorage
from pocketcloud import client
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import tenant

from tests.cloud import actors
from tests.cloud import helpers


def _on_disk(volume):
    """What the guest's witness has written to a volume, as the disk has it."""
    path = layout.VOLUMES / ('volume-' + volume.id)
    with path.open('rb') as file:
        return int(file.readline())


def _secrets(actor):
    """UUIDs by which libvirt knows the keys of a server's disks."""
    return [secret.get('uuid') for secret in etree.fromstring(
        host.domain(actor.id)).iterfind('devices/disk//encryption/secret')]


def test_volumes_over_a_power_cut(block_storage, servers):
    volumes = tenant.connect().block_storage

    def create(**options):
        volume = volumes.create_volume(size=1, **options)
        return become(volume, 'available')

    def become(volume, status):
        return volumes.wait_for_status(volume, status, wait=client.PATIENCE)

    data = create(name='data')
    shared = create(name='shared', volume_type=blockstorage.SHARED_TYPE)
    image = tenant.connect().image.find_image(tenant.IMAGE)
    actor = actors.Actor(
        servers, metadata={'persistent': 'true'}, image_id='',
        block_device_mapping=[{
            'boot_index': 0, 'volume_size': 1, 'uuid': image.id,
            'source_type': 'image', 'destination_type': 'volume',
            'delete_on_termination': True}])
    before = actor.life()

    def written():
        return helpers.guest_of(actor.id).read('volume:last')

    actor.compute.create_volume_attachment(actor.id, volume_id=data.id)
    become(data, 'in-use')
    helpers.wait(written)

    # what two machines may write to would not be as it was
    actor.compute.create_volume_attachment(actor.id, volume_id=shared.id)
    helpers.wait(lambda: 'Error' in actor.results('attach_volume'))
    become(shared, 'available')
    assert actor.disks() == 2
    sealed = create(name='sealed', volume_type=blockstorage.ENCRYPTED_TYPE)
    actor.compute.create_volume_attachment(actor.id, volume_id=sealed.id)
    become(sealed, 'in-use')
    assert actor.disks() == 3
    actor.wait_armed()
    [secret] = _secrets(actor)

    acknowledged = written()
    # The key manager has the key.
    host.forget_keys()
    actor.power_cut()
    actor.wait('ACTIVE')
    assert actor.life().boot_id == before.boot_id
    assert actor.disks() == 3
    [another] = _secrets(actor)
    assert another != secret
    # it writes on, to the same volume
    helpers.wait(lambda: written() > acknowledged + 10)
    acknowledged = written()
    assert _on_disk(data) >= acknowledged
    actor.wait_armed()

    actor.compute.delete_volume_attachment(actor.id, data.id)
    actor.compute.delete_volume_attachment(actor.id, sealed.id)
    for volume in data, sealed:
        become(volume, 'available')
    assert actor.disks() == 1
    assert actor.life().boot_id == before.boot_id
    actor.wait_armed()
    for volume in data, shared, sealed:
        volumes.delete_volume(volume)
