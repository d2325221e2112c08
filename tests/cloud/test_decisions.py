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

"""Whether a server is persistent is decided once, and for no other server."""

from pocketcloud import client

from tests.cloud import actors


def _shelve_and_unshelve(*shelved):
    """Both at the same time for all of them."""
    for actor in shelved:
        actor.compute.shelve_server(actor.id)
    for actor in shelved:
        actor.wait('SHELVED_OFFLOADED')
        actor.compute.unshelve_server(actor.id)
    for actor in shelved:
        actor.wait('ACTIVE')


def test_decision_is_final_and_stays_with_its_server(servers):
    asked = actors.Actor(servers, name='asked',
                         metadata={'persistent': 'true'})
    images = asked.cloud.image
    image = asked.compute.create_server_image(
        asked.id, 'of-asked', wait=True, timeout=client.PATIENCE)
    try:
        assert not [name for name in images.get_image(image).properties
                    if 'temporality' in name]
        # Nobody asked for this one, nor by an image that it gets later.
        plain = actors.Actor(servers, name='plain', image_id=image.id)
        assert plain.region is None
        plain.do('rebuild', 'ACTIVE', image=image.id)
    finally:
        images.delete_image(image)

    # Both change their minds, one of them to nonsense.
    plain.compute.set_server_metadata(plain.id, persistent='true')
    asked.compute.set_server_metadata(asked.id, persistent='maybe')
    _shelve_and_unshelve(plain, asked)
    assert plain.region is None
    assert plain.nvram() == 0
    assert asked.region.size == 256 << 20
    assert asked.nvram() == 256
    asked.wait_armed()
