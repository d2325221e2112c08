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

"""What tempest's tenants need: images, flavors, a network."""

from pocketcloud import tenant

NETWORK = 'tempest-net'
CIDR = '10.78.0.0/24'

IMAGE_ALT = 'tempest-guest'

# MiB of memory; the second one is for resizes and has to be larger
MEMORY = 128, 160

PERSISTENT = {'temporality:persistent': 'true'}


def images():
    """The ids of the image and of another one like it, made if missing."""
    cloud = tenant.connect()
    first = cloud.image.find_image(tenant.IMAGE, ignore_missing=False)
    other = cloud.image.find_image(IMAGE_ALT)
    if other and other.kernel_id != first.kernel_id:
        # of an earlier guest image
        cloud.image.delete_image(other)
        other = None
    other = other or tenant.upload(
        cloud, IMAGE_ALT, tenant.GUEST / 'root.img', 'bare',
        kernel_id=first.kernel_id, ramdisk_id=first.ramdisk_id,
        os_command_line=tenant.KERNEL_ARGUMENTS)
    return first.id, other.id


def flavors(persistent):
    """The ids of the two flavors, created if missing."""
    compute = tenant.connect().compute
    kind = 'persistent' if persistent else 'plain'
    found = []
    for ram in MEMORY:
        name = 'tempest.%s.%d' % (kind, ram)
        flavor = compute.find_flavor(name)
        if flavor is None:
            flavor = compute.create_flavor(name=name, ram=ram, vcpus=1,
                                           disk=1)
            if persistent:
                compute.create_flavor_extra_specs(flavor, PERSISTENT)
        found.append(flavor.id)
    return found


def network():
    """The id of the network that all tenants share, created if missing."""
    client = tenant.connect().network
    found = client.find_network(NETWORK) or client.create_network(
        name=NETWORK, is_shared=True)
    if not found.subnet_ids:
        client.create_subnet(name=NETWORK, network_id=found.id, ip_version=4,
                             cidr=CIDR, gateway_ip=None)
    return found.id
