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

"""What a demonstration, or tests that were cut off, have left behind."""

from pocketcloud import client
from pocketcloud import tenant


def remove():
    """Delete what would be in the way of tests.

    Tempest makes its servers in projects of its own.
    """
    cloud = tenant.connect()
    _delete_servers(cloud.compute)
    for flavor in cloud.compute.flavors(is_public=None):
        if flavor.name.startswith('tp.') and flavor.name != tenant.FLAVOR:
            cloud.compute.delete_flavor(flavor)
    for image in cloud.image.images():
        if image.properties.get('image_type') in ('snapshot', 'backup'):
            cloud.image.delete_image(image)


def _delete_servers(compute):
    left = list(compute.servers(all_projects=True))
    for server in left:
        compute.delete_server(server)
    for server in left:
        compute.wait_for_delete(server, wait=client.PATIENCE)
