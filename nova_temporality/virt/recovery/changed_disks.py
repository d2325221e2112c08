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
"""Disks that were changed while a server was dark."""

from __future__ import annotations

import libvirt
from lxml import etree
from oslo_log import log as logging

from nova_temporality import exception
from nova_temporality.qemu import incoming
from nova_temporality.virt.recovery import base
from nova_temporality.virt.recovery import network_disks

LOG = logging.getLogger(__name__)


def check(recovery: base.Recovery, recorded: str, xml: str,
          patience: float | None = None) -> None:
    """Make sure that a server's disks are what they were.

    :param recorded: of its domain as it was when it was fixated
    :param xml: the same with the present names of its volumes
    :param patience: seconds to wait for their storage; None for ever
    :raises DiskChanged: one is not, and nobody has accepted that
    :raises StorageSilent: storage does not answer
    """
    server, instance = recovery.server, recovery.instance
    found = server.compare_disks(_written(recorded, xml), patience)
    if not found.noted:
        LOG.info('Power went before it was noted what its disks were: only '
                 'files that are younger than its state, on file systems of '
                 'this host, would be noticed, and no changes of devices',
                 instance=instance)
    _refuse(recovery, found.changed)


def check_remote(recovery: base.Recovery) -> None:
    """Make sure of that for disks that only QEMU can reach.

    Its QEMU has them open, and nothing runs yet.

    :raises DiskChanged: one is not what it was, and nobody has accepted that
    :raises RecoveryError: QEMU or its storage do not answer
    """
    try:
        # Afterwards QEMU may hang, and libvirt with it.
        xml = recovery.guest().get_xml_desc()
    except libvirt.libvirtError as exc:
        raise incoming.RecoveryError('libvirt does not show it: %s' % exc)
    try:
        changed = recovery.server.compare_remote_disks()
    except incoming.RecoveryError as exc:
        raise incoming.RecoveryError(network_disks.told(xml, str(exc)))
    _refuse(recovery, [network_disks.told(xml, what) for what in changed])


def _refuse(recovery: base.Recovery, changed: list[str]) -> None:
    if not changed:
        return
    reason = '; '.join(changed)
    if not recovery.server.accepts_disks():
        raise exception.DiskChanged(reason=reason)
    LOG.warning('It is resumed at its operator\'s request, although its disks '
                'are not what they were: %s', reason,
                instance=recovery.instance)


def _written(recorded: str, xml: str) -> dict[str, str]:
    """Present paths of the disks that a domain may write to, by the former.

    Disks without a path (RBD) are left out, see check_remote().
    """
    return {former: present for former, present in zip(
        _paths(recorded), _paths(xml), strict=True) if former and present}


def _paths(xml: str) -> list[str | None]:
    return [
        disk.find('source').get('file') or disk.find('source').get('dev')
        for disk in etree.fromstring(xml).findall('devices/disk')
        if disk.find('readonly') is None and disk.find('source') is not None]
