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

"""The servers: small guests that check their memory and their disk."""

import os
import shutil

from nova.compute import power_state
from nova.compute import vm_states
import nova.conf
from nova.network import model as network_model
from nova import objects
from nova.virt.libvirt import blockinfo

from nova_temporality.privsep import regions
from nova_temporality.spec import persistence
from nova_temporality.spec import sizing

CONF = nova.conf.CONF

KERNEL = '/mnt/lab/checker'
MEMORY_MB = 16
DISK = 4 << 20

# Extra specs of its flavor, by the kind of a server.
_EXTRA_SPECS = {'resident': {}, 'paged': {sizing.MRR_EXTRA_SPEC: '50'}}
KINDS = list(_EXTRA_SPECS)


def kind(uuid):
    """Which of KINDS a server is."""
    with open(_kind_note(uuid), encoding='ascii') as stream:
        return stream.read()


def _kind_note(uuid):
    return os.path.join(CONF.instances_path, uuid, 'kind')


def make(uuid, of_kind):
    """Make what a new server has on disks."""
    directory = os.path.dirname(_kind_note(uuid))
    os.makedirs(directory)
    with open(_kind_note(uuid), 'w', encoding='ascii') as stream:
        stream.write(of_kind)
    shutil.copy(KERNEL, os.path.join(directory, 'kernel'))
    with open(os.path.join(directory, 'disk'), 'wb') as disk:
        disk.write(b'\0' * DISK)
    os.sync()


def instance(uuid):
    """A server that was asked for, as Nova has it."""
    flavor = objects.Flavor(
        id=1, name='checker', flavorid='checker', memory_mb=MEMORY_MB,
        vcpus=1, root_gb=0, ephemeral_gb=0, swap=0, rxtx_factor=1.0,
        extra_specs={persistence.FLAVOR_EXTRA_SPEC: 'true',
                     **_EXTRA_SPECS[kind(uuid)]})
    one = objects.Instance(
        # Its name in libvirt is made of it.
        id=int(uuid[:7], 16), uuid=uuid, display_name=uuid,
        project_id='lab', user_id='lab', host=CONF.host, image_ref=uuid,
        kernel_id=uuid, ramdisk_id='', root_device_name='/dev/vda',
        os_type='linux', memory_mb=MEMORY_MB, vcpus=1, root_gb=0,
        ephemeral_gb=0, vm_state=vm_states.ACTIVE,
        power_state=power_state.RUNNING, metadata={}, system_metadata={},
        flavor=flavor, pci_devices=objects.PciDeviceList(objects=[]),
        pci_requests=objects.InstancePCIRequests(requests=[]),
        info_cache=objects.InstanceInfoCache(
            network_info=network_model.NetworkInfo([])))
    # Nobody could be asked for it.
    for name, field in one.fields.items():
        if name not in one and field.nullable:
            setattr(one, name, None)
    persistence.freeze(one, True)
    return one


def names():
    """UUIDs of the servers that have a region here."""
    return sorted(regions.names(CONF.temporality.pool_path))


def start(driver, context, uuid):
    """Boot a server afresh."""
    one = objects.Instance.get_by_uuid(context, uuid)
    image = objects.ImageMeta.from_dict({'disk_format': 'raw',
                                         'properties': {}})
    info = blockinfo.get_disk_info(CONF.libvirt.virt_type, one, image)
    xml = driver._get_guest_xml(
        context, one, one.get_network_info(), info, image)
    driver._create_guest(context, xml, one)
    one.vm_state = vm_states.ACTIVE
    one.power_state = power_state.RUNNING
