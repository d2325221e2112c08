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

"""Volumes of a pVM, on a host that has booted."""

from __future__ import annotations

from lxml import etree
import nova.conf
from nova import context as nova_context
from nova import objects
from nova.virt import driver as virt_driver
from nova.virt.libvirt import blockinfo
from nova.virt.libvirt import driver as libvirt_driver

CONF = nova.conf.CONF


def connect(driver: libvirt_driver.LibvirtDriver,
            context: nova_context.RequestContext, instance: objects.Instance,
            xml: str, bdms: objects.BlockDeviceMappingList) -> str:
    """Connect a pVM's volumes to this host.

    :param xml: the recorded domain, that names them as they were
    :returns: the XML with the volumes' present names
    """
    mapping = virt_driver.block_device_info_get_mapping(
        virt_driver.get_block_device_info(instance, bdms))
    if not mapping:
        return xml
    root = etree.fromstring(xml)
    sources = {disk.find('target').get('dev'): disk.find('source')
               for disk in root.findall('devices/disk')}
    for volume in mapping:
        connection_info = volume['connection_info']
        driver._connect_volume(context, connection_info, instance)
        disk = driver._get_volume_driver(connection_info).get_config(
            connection_info, blockinfo.get_info_from_bdm(
                instance, CONF.libvirt.virt_type, instance.image_meta,
                volume))
        present = disk.format_dom().find('source')
        if disk.target_dev in sources and present is not None:
            sources[disk.target_dev].attrib.update(present.attrib)
    return etree.tostring(root, encoding='unicode')
