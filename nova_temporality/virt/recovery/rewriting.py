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
"""What may differ between a server's machine and the record of it.

A state fits the machine that is on record and no other one: its type, its
memory and CPUs, its devices at their addresses, its firmware. None of that is
rewritten here, or anywhere else. What may differ is what only this host knows
the machine's parts by, and what the state does not depend on:

* the names of volumes (:mod:`nova_temporality.virt.recovery.volumes`);
* the ports of serial consoles
  (:mod:`nova_temporality.virt.recovery.consoles`);
* the path of the library that a paged server's QEMU loads;
* the path of QEMU, if there is none any more where it was. A newer QEMU loads
  the state of an older one, as long as it knows the type of the machine.

Firmware that is gone is named, and not replaced: parts of it are in the state,
by their size.
"""

from __future__ import annotations

import os
from typing import Any

import libvirt
from lxml import etree
from nova import objects
from oslo_log import log as logging

from nova_temporality import exception
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt.recovery import base
from nova_temporality.virt.recovery import consoles

LOG = logging.getLogger(__name__)

# Of firmware, and of what is booted without a boot loader.
_FILES = ('os/loader', 'os/kernel', 'os/initrd', 'os/dtb')


def for_now(recovery: base.Recovery, xml: str,
            bdms: objects.BlockDeviceMappingList) -> str:
    """The XML by which a recorded machine is started now.

    Its volumes are connected.

    :param xml: as recorded
    :param bdms: its block devices, as Nova has them
    :raises RecoveryFailed: a part of it is not there, or not the server's
    """
    root = etree.fromstring(xml)
    _check_files(root)
    _renew_emulator(recovery, root)
    xml = etree.tostring(root, encoding='unicode')
    library = pvm_domain.preload_path()
    if recovery.server.region().is_vpm and not os.path.exists(library):
        raise exception.RecoveryFailed(
            reason='%s, which QEMU needs for less NVRAM than memory, is not '
            'there; set [temporality] preload_path' % library)
    xml = pvm_domain.with_preload(xml, library)
    return consoles.with_free_ports(
        recovery.driver.recoveries.connections.connect(
            recovery.context, recovery.instance, xml, bdms))


def _check_files(root: Any) -> None:
    for name in _FILES:
        path = root.findtext(name)
        if path and not os.path.exists(path):
            raise exception.RecoveryFailed(
                reason='%s, which its machine was started with, is not there '
                'any more; bring it back in the same version' % path)


def _renew_emulator(recovery: base.Recovery, root: Any) -> None:
    emulator = root.find('devices/emulator')
    if emulator is None or os.path.exists(emulator.text):
        return
    kind = root.find('os/type')
    connection = recovery.driver._host.get_connection()
    try:
        capabilities = connection.getDomainCapabilities(
            None, kind.get('arch'), kind.get('machine'), root.get('type'))
    except libvirt.libvirtError as exc:
        raise exception.RecoveryFailed(
            reason='its QEMU, %s, is not there any more, and no other one '
            'has its machine, %s: %s' %
            (emulator.text, kind.get('machine'), exc))
    path = etree.fromstring(capabilities).findtext('path')
    LOG.info('Its QEMU is %(now)s now, was %(before)s',
             {'now': path, 'before': emulator.text},
             instance=recovery.instance)
    emulator.text = path
