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

from nova.virt.libvirt import config as vconfig

from nova_temporality import exception

# O_DIRECT: what the guest was told is written does not sit in the host's
# page cache, which a power cut empties while the guest's memory survives.
SAFE_CACHE_MODES = ('none', 'directsync')

# O_DIRECT pins pages of the guest, which a pager must be able to take away;
# this one flushes every write instead.
SAFE_CACHE_MODES_PAGED = ('writethrough',)

# Requests that a virtio disk may have in flight (doc/source/contributor/
# decisions.rst has what was measured).
_QUEUE_SIZE = 16

# What disks are to libvirt; all other types of images are files.
_SOURCE_TYPES = {'lvm': 'block', 'rbd': 'network'}


class Disk(vconfig.LibvirtConfigGuestDisk):
    """A disk's configuration whose failed requests are kept."""

    def format_dom(self) -> Any:
        """The disk's XML as an lxml element."""
        root = super().format_dom()
        keep_requests(root)
        return root


def source_type(images_type: str) -> str:
    """What a host's disks are to libvirt, a key of disk_cachemodes.

    :param images_type: [libvirt] images_type
    """
    return _SOURCE_TYPES.get(images_type, 'file')


def check_cache_mode(mode: str | None, source_type: str, disk: str,
                     is_paged: bool = False) -> None:
    """Refuse a disk cache mode that forgets what was written.

    :param mode: of libvirt; None is its default
    :param source_type: of the disk, a key of [libvirt] disk_cachemodes
    :param disk: which disk, in words
    :raises NotPossible: naming the value and the remedy
    """
    if mode not in (SAFE_CACHE_MODES_PAGED if is_paged else SAFE_CACHE_MODES):
        exception.refuse(
            "disk cache mode '%s' (%s): writes that were completed could be "
            'lost while its memory survives' % (mode or 'default', disk),
            'set [libvirt] disk_cachemodes = %s=none, or =directsync, on '
            'storage that supports O_DIRECT' % source_type)


def check(disk: vconfig.LibvirtConfigGuestDisk, is_paged: bool) -> None:
    """Refuse a disk that could corrupt or lose data.

    :raises NotPossible: naming the value and the remedy
    """
    if disk.shareable:
        exception.refuse('shareable disks (%s)' % disk.target_dev,
                         'detach them')
    # What is only read can be read again, but must not be read into pages
    # that a pager took away.
    if disk.readonly and not is_paged:
        return
    if disk.source_device == 'lun' and is_paged:
        exception.refuse(
            'SCSI passthrough (%s) with less NVRAM than memory' %
            disk.target_dev, 'attach it as an ordinary disk')
    check_cache_mode(disk.driver_cache, disk.source_type,
                     'disk %s' % disk.target_dev, is_paged)


def prepare(disk: vconfig.LibvirtConfigGuestDisk, is_paged: bool) -> None:
    """Set up a disk that is attached to a server, or refuse it.

    :raises NotPossible: naming the value and the remedy
    """
    if is_paged:
        prepare_for_paging(disk)
    check(disk, is_paged)
    disk.__class__ = Disk


def prepare_for_paging(disk: vconfig.LibvirtConfigGuestDisk) -> None:
    """Have a disk use buffered I/O, which pins no pages of the guest."""
    disk.driver_cache = 'writethrough'
    disk.driver_io = 'threads'


def keep_requests(disk: Any) -> None:
    """Have a disk's failed requests go with the state, and few in flight.

    QEMU waits for all that are in flight when it stops vCPUs.

    :param disk: lxml element
    """
    for driver in disk.findall('driver'):
        driver.set('error_policy', 'stop')
        driver.set('rerror_policy', 'stop')
        if disk.find('target').get('bus') == 'virtio':
            driver.set('queues', '1')
            driver.set('queue_size', str(_QUEUE_SIZE))
