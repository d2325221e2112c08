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

"""The rule of disks: which ones a pVM may have, and how they are set up.

A guest whose memory survives takes every completed write for granted and
never repeats it. So a write that was completed must be durable, and one that
failed must be kept with the state. A paged server's pages must not be pinned
by I/O: the pager takes them away.

What QEMU really does with a disk is looked at again while the server runs, by
the notifier (:mod:`nova_temporality.notifier.pvm.blockers`).
"""

from __future__ import annotations

from typing import Any

import nova.conf
from nova.privsep import utils as nova_privsep_utils
from nova.virt.libvirt import config as vconfig

from nova_temporality import exception
from nova_temporality.spec import disk_queues
from nova_temporality.spec import server_spec

CONF = nova.conf.CONF

# What the guest was told is written does not sit in the host's page cache,
# which a power cut empties while the guest's memory survives: it is bypassed
# (O_DIRECT), or flushed after every write.
SAFE_CACHE_MODES = ('none', 'directsync', 'writethrough')


class Disk(vconfig.LibvirtConfigGuestDisk):
    """A disk's configuration whose failed requests are kept.

    :ivar queues: that it has, if it is a virtio disk
    """

    queues: disk_queues.DiskQueues

    def format_dom(self) -> Any:
        """The disk's XML as an lxml element."""
        root = super().format_dom()
        keep_requests(root, self.queues)
        return root


def check(disk: vconfig.LibvirtConfigGuestDisk, is_paged: bool) -> None:
    """Refuse a disk that could corrupt or lose data, however it is set up.

    :raises NotPossible: naming the value and the remedy
    """
    if disk.shareable:
        exception.refuse('shareable disks (%s)' % disk.target_dev,
                         'detach them')
    if disk.source_device == 'lun' and is_paged:
        exception.refuse(
            'SCSI passthrough (%s) with less NVRAM than memory' %
            disk.target_dev, 'attach it as an ordinary disk')


def prepare_attached(disk: vconfig.LibvirtConfigGuestDisk,
                     spec: server_spec.ServerSpec) -> None:
    """Set up a disk that is attached to a server, or refuse it.

    :param spec: what the server is
    :raises NotPossible: naming the value and the remedy
    """
    prepare(disk, spec.is_paged)
    check(disk, spec.is_paged)
    disk.__class__ = Disk
    disk.queues = spec.disk_queues


def prepare(disk: vconfig.LibvirtConfigGuestDisk, is_paged: bool) -> None:
    """Have a disk's completed writes be durable, whatever the host's options.

    :param is_paged: whether the server has less NVRAM than memory: then disks
                     use buffered I/O, which pins no pages of the guest. Also
                     what is only read must not be read into pages that a
                     pager took away
    """
    if is_paged:
        disk.driver_cache = 'writethrough'
        disk.driver_io = 'threads'
    elif not disk.readonly and disk.driver_cache not in SAFE_CACHE_MODES:
        disk.driver_cache = 'none' if _has_direct_io(disk) else 'writethrough'


def _has_direct_io(disk: vconfig.LibvirtConfigGuestDisk) -> bool:
    """Whether the page cache can be bypassed.

    Of network storage QEMU's drivers take "none" as: no cache of their own
    either, for example librbd's, whatever ceph.conf says.
    """
    return disk.source_type != 'file' or (
        nova_privsep_utils.supports_direct_io(CONF.instances_path))


def keep_requests(disk: Any, queues: disk_queues.DiskQueues) -> None:
    """Have a disk's failed requests go with the state, and few in flight.

    QEMU waits for all that are in flight when it stops vCPUs.

    :param disk: lxml element
    :param queues: that it has, if it is a virtio disk
    """
    for driver in disk.findall('driver'):
        driver.set('error_policy', 'stop')
        driver.set('rerror_policy', 'stop')
        if disk.find('target').get('bus') == 'virtio':
            driver.set('queues', str(queues.count))
            driver.set('queue_size', str(queues.size))
