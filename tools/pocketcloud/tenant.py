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

"""What a user of the cloud needs to create a server."""

import time

import openstack

from pocketcloud import client
from pocketcloud import layout

IMAGE = 'temporality-guest'
FLAVOR = 'tp.small'
NETWORK = 'tp-net'
CIDR = '10.77.0.0/24'
# An emulated time stamp counter misleads a kernel that was calibrated in a
# busy moment: its clock may run at twice the speed.
KERNEL_ARGUMENTS = 'console=ttyS0 root=/dev/vda tsc=unstable'
GUEST = layout.STATE / 'guest'


def connect():
    """A connection of openstacksdk to the cloud, as its administrator."""
    return openstack.connect(
        load_yaml_config=False, load_envvars=False,
        auth_url=layout.url('keystone', '/v3'), username='admin',
        password=layout.secret(), project_name='admin',
        user_domain_id='default', project_domain_id='default',
        region_name=layout.REGION)


def upload(cloud, name, path, kind, **properties):
    """Upload a file as an image; return the image."""
    image = cloud.image.create_image(
        name=name, filename=str(path), container_format=kind,
        disk_format='raw' if kind == 'bare' else kind,
        visibility='public', **properties)
    image = cloud.image.get_image(image)
    if image.status != 'active':
        raise RuntimeError('image %s is %s' % (name, image.status))
    return image


def create_image():
    """Upload the guest image, unless this very one is there."""
    version = '%s %s' % ((layout.STAMPS / 'guest').read_text().strip(),
                         KERNEL_ARGUMENTS)
    cloud = connect()
    present = cloud.image.find_image(IMAGE)
    if present and present.properties.get('guest_version') == version:
        return 'uploaded already'
    for suffix in '', '-kernel', '-initramfs':
        old = cloud.image.find_image(IMAGE + suffix)
        if old:
            cloud.image.delete_image(old)
    kernel = upload(cloud, IMAGE + '-kernel', GUEST / 'vmlinuz', 'aki')
    initramfs = upload(cloud, IMAGE + '-initramfs', GUEST / 'initramfs',
                       'ari')
    # Uploaded last: if it is there, the others are too.
    upload(cloud, IMAGE, GUEST / 'root.img', 'bare', kernel_id=kernel.id,
           ramdisk_id=initramfs.id, os_command_line=KERNEL_ARGUMENTS,
           guest_version=version)
    return 'uploaded'


def create_flavor():
    """Create the flavor."""
    connect().compute.create_flavor(name=FLAVOR, ram=256, vcpus=1, disk=1)


def create_network():
    """Create the network; let TCP and ICMP through to the servers."""
    cloud = connect()
    network = (cloud.network.find_network(NETWORK) or
               cloud.network.create_network(name=NETWORK))
    if not network.subnet_ids:
        cloud.network.create_subnet(
            name=NETWORK, network_id=network.id, ip_version=4, cidr=CIDR,
            gateway_ip=None)
    project = cloud.current_project_id
    group = next(cloud.network.security_groups(project_id=project,
                                               name='default'))
    for protocol in 'tcp', 'icmp':
        wanted = {'security_group_id': group.id, 'direction': 'ingress',
                  'protocol': protocol}
        if not list(cloud.network.security_group_rules(**wanted)):
            cloud.network.create_security_group_rule(
                ethertype='IPv4', remote_ip_prefix='0.0.0.0/0', **wanted)


def wait_compute_service(which=layout.FIRST):
    """Wait until the scheduler may choose a host.

    It may not while the host's last report is old, as it is after a night.
    """
    cloud = connect()
    deadline = time.monotonic() + client.PATIENCE
    while True:
        states = [service.state for service in
                  cloud.compute.services(binary='nova-compute',
                                         host=which.name)]
        if states and set(states) == {'up'}:
            return 'up'
        if time.monotonic() > deadline:
            raise TimeoutError('nova-compute does not report to Nova')
        time.sleep(0.5)


def tasks(once):
    """The contents, as tasks for the graph.

    :param once: wraps a function into a task that is not repeated
    """
    return {
        'image': (('glance', 'catalog'), create_image),
        'flavor': (('nova-api',), once('flavor', create_flavor)),
        'network': (('neutron-api', 'neutron-rpc'),
                    once('network', create_network)),
        'compute-service': (('nova-compute', 'nova-api'),
                            wait_compute_service),
    }
