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

"""Volumes of pVMs.

They are disks like others: what a guest was told is written must not be lost
with the page cache, requests that fail are kept, and the machine's record has
to have them.
"""

from lxml import etree
from nova.virt import driver as virt_driver
from nova.virt.libvirt import blockinfo
from nova.virt.libvirt import config as vconfig

import nova.conf
from nova_temporality import exception
from nova_temporality.spec import persistence
from nova_temporality.virt import checks
from nova_temporality.virt import domain as pvm_domain

CONF = nova.conf.CONF


class _Disk(vconfig.LibvirtConfigGuestDisk):

    def format_dom(self):
        root = super().format_dom()
        pvm_domain.keep_requests(root)
        return root


class VolumesMixin:
    """The driver's methods for volumes."""

    def attach_volume(self, context, connection_info, instance, mountpoint,
                      disk_bus=None, device_type=None, encryption=None):
        """See ComputeDriver."""
        try:
            super().attach_volume(context, connection_info, instance,
                                  mountpoint, disk_bus, device_type,
                                  encryption)
        except exception.NotPossible:
            # LibvirtDriver expects no refusal between connecting the volume
            # to the host and attaching it.
            self._disconnect_volume(context, connection_info, instance,
                                    encryption=encryption)
            raise
        self._record_if_running(instance)

    def _check_discard_for_attach_volume(self, conf, instance):
        # Called when the disk is configured and before it is attached.
        super()._check_discard_for_attach_volume(conf, instance)
        if persistence.is_pvm(instance):
            paged = self._is_paged(instance)
            if paged:
                pvm_domain.set_disk_right_for_paging(conf)
            checks.check_disk(conf, paged)
            conf.__class__ = _Disk

    def detach_volume(self, context, connection_info, instance, mountpoint,
                      encryption=None):
        """See ComputeDriver."""
        super().detach_volume(context, connection_info, instance, mountpoint,
                              encryption)
        self._record_if_running(instance)

    def swap_volume(self, context, old_connection_info, new_connection_info,
                    instance, mountpoint, resize_to):
        """See ComputeDriver; refused.

        Were power to fail between the switch and the new record, recovery
        would give the server the old volume with newer memory.
        """
        if instance is not None and persistence.is_pvm(instance):
            raise exception.NotPossible(
                reason='The volume of a persistent server cannot be swapped '
                       'while it is attached; detach it first')
        super().swap_volume(context, old_connection_info,
                            new_connection_info, instance, mountpoint,
                            resize_to)


def connect(driver, context, instance, xml, bdms):
    """Connect a pVM's volumes to this host, which has booted.

    :param driver: TemporalityDriver
    :param xml: the recorded domain, that names them as they were
    :param bdms: objects.BlockDeviceMappingList
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
