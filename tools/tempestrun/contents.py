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

import pathlib
import subprocess
import tempfile

from pocketcloud import tenant

NETWORK = 'tempest-net'
CIDR = '10.78.0.0/24'

IDLE = pathlib.Path(__file__).parent / 'idle.S'
IDLE_IMAGES = 'tempest-idle', 'tempest-idle-alt'

# MiB of memory; the second one is for resizes and has to be larger
MEMORY = 128, 160

PERSISTENT = {'temporality:persistent': 'true'}


def _build_idle(directory):
    """Return the path of a disk with the idle guest."""
    made, disk = directory / 'idle.o', directory / 'idle.img'
    subprocess.run(['cc', '-m32', '-c', IDLE, '-o', made], check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat',
                    'binary', made, '-o', disk], check=True)
    with disk.open('r+b') as file:
        file.truncate(1 << 20)
    return disk


def images():
    """The ids of two images of idle guests, made if missing."""
    cloud = tenant.connect()
    found = []
    with tempfile.TemporaryDirectory() as directory:
        for name in IDLE_IMAGES:
            image = cloud.image.find_image(name) or tenant.upload(
                cloud, name, _build_idle(pathlib.Path(directory)), 'bare')
            found.append(image.id)
    return found


def guest():
    """The id of the image of guests that can be asked."""
    return tenant.connect().image.find_image(tenant.IMAGE,
                                             ignore_missing=False).id


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
