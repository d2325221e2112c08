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

from collections import abc
import threading
from typing import Any

from castellan.common import exception as castellan_exception
from lxml import etree
import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.virt import block_device
from nova.virt import driver as virt_driver
from nova.virt.libvirt import blockinfo
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_temporality import exception

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


def attached(instance: objects.Instance,
             bdms: objects.BlockDeviceMappingList) -> dict[str, Any]:
    """A pVM's block devices, as Nova's drivers are given them.

    As Nova does, it leaves volumes out that have no connection data: their
    attachment was cut off.

    :param bdms: as Nova has them
    """
    info: dict[str, Any] = virt_driver.get_block_device_info(instance, bdms)
    info['block_device_mapping'] = [
        volume for volume in virt_driver.block_device_info_get_mapping(info)
        if volume.get('connection_info')]
    return info


def identity(bdms: objects.BlockDeviceMappingList) -> (
        set[tuple[str | None, ...]]):
    """What tells whether a pVM's volumes are attached as they were.

    :param bdms: as Nova has them
    """
    return {(bdm.volume_id, bdm.attachment_id, bdm.connection_info)
            for bdm in bdms if bdm.is_volume}


class Connections:
    """Volumes that recoveries of this host have connected to it.

    Storage may not answer for a long time, in which nobody waits for it but
    the recovery. Meanwhile its server may be deleted, or evacuated. Then
    nobody but the recovery knows of the connections that it has made.
    """

    def __init__(self, driver: libvirt_driver.LibvirtDriver) -> None:
        """Make ready.

        :param driver: TemporalityDriver
        """
        self._driver = driver
        self._lock = threading.Lock()
        # By UUIDs of server and volume: what was, or is being, connected.
        self._made: dict[str, dict[str, tuple[Any, objects.Instance]]] = {}

    def connect(self, context: nova_context.RequestContext,
                instance: objects.Instance, xml: str,
                bdms: objects.BlockDeviceMappingList) -> str:
        """Connect a pVM's volumes to this host; they may not answer.

        :param xml: the recorded domain, that names them as they were
        :returns: the XML with the volumes' present names
        :raises RecoveryFailed: one cannot be connected, or is not the
                                server's any more; the volume is named
        """
        root = etree.fromstring(xml)
        disks = root.findall('devices/disk')
        _refuse_others(disks, _by_uuid(instance, bdms))
        recorded = {disk.find('target').get('dev'): disk for disk in disks}
        connected = self.connect_all(context, instance, bdms)
        for uuid, disk in connected.items():
            if disk.target_dev not in recorded:
                LOG.warning('Volume %s is attached to it in Nova, but was not '
                            'in its machine yet: its attachment was cut off. '
                            'Detach it, and attach it again', uuid,
                            instance=instance)
            else:
                _bring_up_to_date(recorded[disk.target_dev],
                                  disk.format_dom())
        if not connected:
            return xml
        return etree.tostring(root, encoding='unicode')

    def connect_all(self, context: nova_context.RequestContext,
                    instance: objects.Instance,
                    bdms: objects.BlockDeviceMappingList) -> (
                        dict[str, vconfig.LibvirtConfigGuestDisk]):
        """Connect a pVM's volumes, whatever its machine is.

        :returns: what disks they are now, by the volumes' UUIDs
        :raises RecoveryFailed: one cannot be connected; it is named
        """
        return {uuid: self._connect(context, instance, uuid, volume)
                for uuid, volume in _by_uuid(instance, bdms).items()}

    def _connect(self, context: nova_context.RequestContext,
                 instance: objects.Instance, uuid: str, volume: Any) -> (
                     vconfig.LibvirtConfigGuestDisk):
        """Connect one volume; return what the disk is now.

        :raises RecoveryFailed: that is not possible
        """
        connection_info = volume['connection_info']
        with self._lock:
            self._made.setdefault(instance.uuid, {})[uuid] = (
                connection_info, instance)
        LOG.info('Connecting its volume %s', uuid, instance=instance)
        try:
            self._driver._connect_volume(context, connection_info, instance)
            return self._driver._get_volume_driver(connection_info).get_config(
                connection_info, blockinfo.get_info_from_bdm(
                    instance, CONF.libvirt.virt_type, instance.image_meta,
                    volume))
        except castellan_exception.CastellanException as exc:
            raise exception.RecoveryFailed(
                reason='the key of its volume %s cannot be had: %s: %s. Have '
                'the key manager give it to nova-compute; libvirt has lost '
                'its copy' % (uuid, type(exc).__name__, exc)) from exc
        except Exception as exc:
            # os-brick's have no common ancestor.
            raise exception.RecoveryFailed(
                reason='its volume %s cannot be connected: %s: %s' %
                (uuid, type(exc).__name__, exc)) from exc

    def leave(self, uuid: str) -> None:
        """Leave a server's connections to Nova: it is still this host's."""
        with self._lock:
            self._made.pop(uuid, None)

    def undo(self, context: nova_context.RequestContext, uuid: str) -> None:
        """Disconnect what was connected for a server that is gone.

        A volume that another server of this host has by now is left alone:
        both have the same connection.
        """
        with self._lock:
            made = self._made.pop(uuid, {})
        for volume_id, (connection_info, instance) in made.items():
            try:
                if _is_anothers(context, volume_id, uuid):
                    continue
                self._driver._disconnect_volume(context, connection_info,
                                                instance)
            except Exception as exc:
                LOG.warning('It is not on this host any more, but its volume '
                            '%s stays connected: %s', volume_id, exc,
                            instance=instance)


def _by_uuid(instance: objects.Instance,
             bdms: objects.BlockDeviceMappingList) -> dict[str, Any]:
    """A pVM's volumes by their UUIDs."""
    return {
        block_device.get_volume_id(volume['connection_info']): volume
        for volume in attached(instance, bdms)['block_device_mapping']}


def _bring_up_to_date(recorded: Any, present: Any) -> None:
    """Have a recorded disk name what a volume is on this host now.

    :param recorded: its element in the recorded domain
    :param present: its element, made anew
    """
    source = present.find('source')
    if source is not None:
        recorded.find('source').attrib.update(source.attrib)
    # If libvirt had no copy of the key, it has another name by now.
    for old, new in zip(recorded.iterfind('.//encryption/secret'),
                        present.iterfind('.//encryption/secret')):
        old.set('uuid', new.get('uuid'))


def _is_anothers(context: nova_context.RequestContext, volume_id: str,
                 uuid: str) -> bool:
    """Whether another server of this host has a volume than one that had."""
    try:
        bdms = objects.BlockDeviceMappingList.get_by_volume(context, volume_id)
    except nova_exception.VolumeBDMNotFound:
        return False
    return any(
        objects.Instance.get_by_uuid(context, bdm.instance_uuid,
                                     expected_attrs=[]).host == CONF.host
        for bdm in bdms if bdm.instance_uuid != uuid)


def _refuse_others(disks: abc.Iterable[Any],
                   volumes: abc.Container[str]) -> None:
    """Refuse volumes that are perhaps somebody else's by now.

    :param disks: of the recorded domain
    :param volumes: UUIDs of those that Nova has attached to the server
    """
    others = [serial for serial in (disk.findtext('serial') for disk in disks)
              if uuidutils.is_uuid_like(serial) and serial not in volumes]
    if others:
        raise exception.RecoveryFailed(
            reason='its machine has a volume that Nova has not attached to '
            'it, or not with its connection: %s. It may be another server\'s. '
            'Have it attached to this one again' % ', '.join(others))
