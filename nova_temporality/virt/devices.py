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
"""Devices of a paged server: nothing but QEMU may touch its pages.

The same for those that it is created with and those that it gets later.
"""

from __future__ import annotations

from typing import Any

from nova.virt.libvirt import config as vconfig

from nova_temporality.virt import disks


def prepare(device: Any, is_paged: bool) -> None:
    """Set a device up as a pVM needs it.

    O_DIRECT and vhost pin a guest's pages or write to them behind the pager's
    back; a page that has left NVRAM would get, or supply, the wrong data.

    :param device: a LibvirtConfigGuestDevice
    :param is_paged: whether the server has less NVRAM than memory
    """
    if isinstance(device, vconfig.LibvirtConfigGuestDisk):
        disks.prepare(device, is_paged)
    elif is_paged and (
            isinstance(device, vconfig.LibvirtConfigGuestInterface) and
            device.model == 'virtio'):
        device.driver_name = 'qemu'
