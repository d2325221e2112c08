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
"""Ports of pVMs, plugged and configured by Nova.

LibvirtDriver configures a port that is attached to a running server in the
midst of attaching it. So what a paged server's ports need is done here, where
all ports are configured.
"""

from __future__ import annotations

from typing import Any

from nova import objects
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import host as libvirt_host
from nova.virt.libvirt import vif as libvirt_vif

from nova_temporality.spec import persistence
from nova_temporality.virt import devices
from nova_temporality.virt import servers


class VifDriver(libvirt_vif.LibvirtGenericVIFDriver):
    """Nova's, whose ports of paged servers are served by QEMU itself."""

    def __init__(self, host: libvirt_host.Host,
                 known: servers.Servers) -> None:
        """Make ready.

        :param known: the host's pVMs
        """
        super().__init__(host)
        self._known = known

    def get_config(self, instance: objects.Instance, vif: Any,
                   image_meta: objects.ImageMeta, flavor: objects.Flavor,
                   virt_type: str) -> vconfig.LibvirtConfigGuestInterface:
        """See LibvirtGenericVIFDriver."""
        config = super().get_config(instance, vif, image_meta, flavor,
                                    virt_type)
        if persistence.is_pvm(instance):
            devices.prepare(config, self._known.of(instance).spec.is_paged)
        return config
