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

"""What a pVM cannot have, refused with the reason.

The first line of defence looks at what was asked for, before anything is
allocated; the second looks at the finished guest configuration, whatever
way it was made.
"""

from __future__ import annotations

from typing import Any

import nova.conf
from nova import objects
from nova.objects import fields
from nova.virt import hardware
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import utils as libvirt_utils
from oslo_utils import units

from nova_temporality import exception
from nova_temporality.qemu import srat
from nova_temporality.virt import disks
from nova_temporality.virt import page_sizes

CONF = nova.conf.CONF

_refuse = exception.refuse

_REFUSED_EXTRA_SPECS = {
    'hw:locked_memory': 'locked memory',
    'hw:cpu_realtime': 'real-time vCPUs, whose memory is locked',
    'hw:pmem': 'virtual persistent memory devices',
    'hw:tpm_version': 'a virtual TPM, whose state lies outside of the server',
    'pci_passthrough:alias': 'PCI passthrough',
    'accel:device_profile': 'accelerators',
    'resources:VGPU': 'virtual GPUs',
    'hw:mem_encryption': 'memory encryption',
}
_REFUSED_IMAGE_PROPERTIES = {
    'hw_locked_memory': 'locked memory',
    'hw_tpm_version': 'a virtual TPM, whose state lies outside of the server',
    'hw_mem_encryption': 'memory encryption',
}
# QEMU: "non-migratable CPU device".
_REFUSED_CPU_FEATURES = ('invtsc',)
_SAFE_VNIC_TYPES = ('normal',)
_UNSAFE_VIF_TYPES = ('vhostuser',)
# Others than QEMU move data to and from the guest's memory.
_UNSAFE_NET_TYPES = {'vhostuser': 'vhost-user', 'vdpa': 'vDPA',
                     'hostdev': 'PCI passthrough'}


def check_request(instance: objects.Instance, flavor: objects.Flavor,
                  image_meta: objects.ImageMeta,
                  network_info: Any) -> None:
    """Refuse what is known before anything was made for the server.

    :param flavor: that it has, or shall be resized to
    :raises NotPossible: naming the value and the remedy
    """
    virt_type = CONF.libvirt.virt_type
    if virt_type not in ('kvm', 'qemu'):
        _refuse("virt_type '%s'" % virt_type,
                "set [libvirt] virt_type to 'kvm' or 'qemu'")
    for key, value in flavor.extra_specs.items():
        if key in _REFUSED_EXTRA_SPECS and str(value).lower() != 'false':
            _refuse(_REFUSED_EXTRA_SPECS[key],
                    "use a flavor without the extra spec '%s=%s'" %
                    (key, value))
    for key, what in _REFUSED_IMAGE_PROPERTIES.items():
        value = image_meta.properties.get(key)
        if value:
            _refuse(what, "use an image without the property '%s=%s'" %
                    (key, value))
    if (CONF.libvirt.images_type == 'lvm' and
            CONF.ephemeral_storage_encryption.enabled):
        _refuse('disks that dm-crypt encrypts: nobody maps them when the host '
                'has booted', 'set [ephemeral_storage_encryption] enabled to '
                'false on this host')
    topology = hardware.numa_get_constraints(flavor, image_meta)
    if topology is not None and len(topology.cells) > 1:
        _check_cells(topology, flavor, image_meta)
    page_sizes.check(flavor, topology)
    _check_cpu_flags()
    if instance.pci_requests and instance.pci_requests.requests:
        _refuse('PCI devices', 'use a flavor and ports without them')
    for vif in network_info or []:
        check_port(vif)


def _check_cells(topology: objects.InstanceNUMATopology,
                 flavor: objects.Flavor,
                 image_meta: objects.ImageMeta) -> None:
    """Refuse several NUMA cells of which no guest can be told."""
    cells = '%d NUMA cells' % len(topology.cells)
    one = 'a flavor and image that ask for one at most (hw:numa_nodes=1)'
    arch = (image_meta.properties.get('hw_emulation_architecture') or
            libvirt_utils.get_arch(image_meta))
    if arch not in (fields.Architecture.X86_64, fields.Architecture.I686):
        _refuse('%s of a server of architecture %s' % (cells, arch),
                'use ' + one)
    if flavor.memory_mb * units.Mi > srat.LARGEST_MEMORY:
        _refuse('%s with %d MiB of memory' % (cells, flavor.memory_mb),
                'use at most %d MiB, or %s' % (
                    srat.LARGEST_MEMORY // units.Mi, one))


def _check_cpu_flags() -> None:
    for flag in CONF.libvirt.cpu_model_extra_flags:
        if flag.lower().lstrip('+') in _REFUSED_CPU_FEATURES:
            _refuse("the CPU feature '%s', with which QEMU saves no state" %
                    flag, 'remove it from [libvirt] cpu_model_extra_flags of '
                    'this host, or use another host')


def check_port(vif: Any) -> None:
    """Refuse a port that something other than QEMU serves.

    :param vif: as Neutron has bound it
    :raises NotPossible: naming the port and the remedy
    """
    vnic_type = vif.get('vnic_type', 'normal')
    if vnic_type not in _SAFE_VNIC_TYPES:
        _refuse("a port of vnic_type '%s' (port %s)" %
                (vnic_type, vif.get('id')),
                "use ports of vnic_type 'normal'")
    if vif.get('type') in _UNSAFE_VIF_TYPES:
        _refuse("a port bound as '%s' (port %s)" %
                (vif['type'], vif.get('id')),
                'use a network back end that connects taps')


def check_guest(guest: vconfig.LibvirtConfigGuest,
                is_paged: bool = False, cells: int = 1) -> None:
    """Refuse a guest configuration that could corrupt or lose data.

    :param is_paged: whether it has less NVRAM than memory
    :param cells: how many NUMA cells its flavor and image ask for
    :raises NotPossible: naming the value and the remedy
    """
    if guest.membacking is not None:
        _refuse('a memory backing of its own',
                'use a flavor, image and host that ask for none')
    if guest.cpu is not None:
        _check_cpu(guest.cpu, cells)
    if guest.max_memory_size is not None:
        _refuse('pluggable memory', 'use a flavor without it')
    if guest.launch_security is not None:
        _refuse('memory encryption', 'use a flavor and image without it')
    for device in guest.devices:
        check_device(device, is_paged)


def _check_cpu(cpu: vconfig.LibvirtConfigGuestCPU, cells: int) -> None:
    if cpu.numa is not None and len(cpu.numa.cells) > cells:
        _refuse('%d NUMA cells where flavor and image ask for %d' % (
                len(cpu.numa.cells), cells), 'rebuild or resize the server')
    for feature in cpu.features:
        if feature.name in _REFUSED_CPU_FEATURES and (
                feature.policy in ('require', 'force')):
            _refuse("the CPU feature '%s', with which QEMU saves no state" %
                    feature.name, 'use a flavor, image and host without it')


def check_device(device: Any, is_paged: bool) -> None:
    """Refuse a device that could corrupt or lose data.

    :param is_paged: whether the server has less NVRAM than memory
    :raises NotPossible: naming the value and the remedy
    """
    if isinstance(device, vconfig.LibvirtConfigGuestHostdev):
        _refuse('host devices', 'use a flavor and ports without them')
    if isinstance(device, vconfig.LibvirtConfigGuestFilesys):
        _refuse('shares', 'detach them')
    if isinstance(device, vconfig.LibvirtConfigGuestVPMEM):
        _refuse(_REFUSED_EXTRA_SPECS['hw:pmem'], 'use a flavor without them')
    if isinstance(device, vconfig.LibvirtConfigGuestInterface) and (
            device.net_type in _UNSAFE_NET_TYPES):
        _refuse('%s ports' % _UNSAFE_NET_TYPES[device.net_type],
                'use a network back end that connects taps')
    if isinstance(device, vconfig.LibvirtConfigGuestDisk):
        disks.check(device, is_paged)
