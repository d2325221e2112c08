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

"""The libvirt domain of a pVM.

Its memory is a file of ours, its QEMU runs under a user id of its own, and
monitor sockets are there for the notifier. All of it is said in libvirt's own
XML and QEMU's documented options (docs: "memory-backend-file" in QEMU's
invocation manual; "QEMU command-line passthrough" in libvirt's).
"""

from __future__ import annotations

from collections import abc
from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig
from oslo_utils import units

from nova_temporality import conf
from nova_temporality.qemu import srat
from nova_temporality.spec import server_spec
from nova_temporality.virt import binding
from nova_temporality.virt import checks
from nova_temporality.virt import devices
from nova_temporality.virt import disks
from nova_temporality import vpm

CONF = conf.CONF

PRELOAD_ENV = 'LD_PRELOAD'

# The address at which QEMU maps memory: a page of 2 MiB in the file is one to
# the CPU only if both begin alike. A pager maps cluster by cluster.
_ALIGN = ',align=2M'

_QEMU_NS = 'http://libvirt.org/schemas/domain/qemu/1.0'
_QEMU = '{%s}' % _QEMU_NS


def preload_path() -> str:
    """The library that a QEMU loads whose memory is paged, or watched."""
    return CONF.temporality.preload_path or vpm.PRELOAD_PATH


def _monitor_args(name: str, path: str) -> list[str]:
    return ['-chardev', 'socket,id=%s,path=%s,server=on,wait=off' %
            (name, _escape(path)),
            '-mon', 'chardev=%s,mode=control' % name]


def _escape(path: str) -> str:
    # QemuOpts separates by commas and takes a doubled one literally
    return path.replace(',', ',,')


class PersistentGuest(vconfig.LibvirtConfigGuest):
    """A guest configuration made by Nova, turned into a pVM's."""

    def __init__(self, guest: vconfig.LibvirtConfigGuest,
                 here: binding.Binding, spec: server_spec.ServerSpec,
                 genid: str, cells: srat.Cells | None = None,
                 paging_directory: str | None = None,
                 is_watched: bool = False) -> None:
        """Take over a configuration.

        :param guest: as Nova made it
        :param here: what its QEMU is given on this host
        :param spec: what the server is
        :param genid: its generation ID, see nova_temporality.virt.genid
        :param cells: NUMA cells that it sees, if several
        :param paging_directory: of the region if it is paged, else None
        :param is_watched: whether it is to be seen which pages of its memory
                           are written, unless it is paged
        :raises NotPossible: if the configuration is unsafe for a pVM
        """
        super().__init__()
        for device in guest.devices:
            devices.prepare(device, is_paged=bool(paging_directory))
        checks.check_guest(guest, is_paged=bool(paging_directory),
                           cells=len(cells.cells) if cells else 1)
        if cells is not None:
            _number_cpus(guest, cells)
        self.__dict__.update(guest.__dict__)
        self._here = here
        self._spec = spec
        self._genid = genid
        self._cells = cells
        self._paging_directory = paging_directory
        self._is_watched = is_watched
        # A balloon, and free page reporting with it, would punch holes into
        # the memory file and give away space that is reserved.
        self.devices = [device for device in guest.devices if not isinstance(
            device, vconfig.LibvirtConfigMemoryBalloon)]
        balloon = vconfig.LibvirtConfigMemoryBalloon()
        balloon.model = 'none'
        self.add_device(balloon)
        # libvirt would make memory of its own for each cell. To the guest one
        # is the same as none, and of several its firmware tells. Its vCPUs
        # stay pinned.
        self.numatune = None
        if self.cpu is not None:
            self.cpu.numa = None

    def format_dom(self) -> Any:
        """The domain's XML as an lxml element."""
        root = super().format_dom()
        root.append(self._text_node('genid', self._genid))
        _reserve_nothing(etree.SubElement(root, 'memoryBacking'))
        for disk in root.findall('devices/disk'):
            disks.keep_requests(disk, self._spec.disk_queues)
        if self._here.uid:
            _add_seclabel(root, self._here)
        self._add_commandline(root)
        return root

    def _add_commandline(self, root: Any) -> None:
        add_args(root, _own_args(
            self._here, self._spec.memory_mb * units.Mi,
            '' if self._paging_directory else _ALIGN))
        if self._cells is not None:
            add_args(root, _cells_args(self._here))
        if self._paging_directory:
            _add_preload(root, vpm.PRELOAD_VARIABLE, self._paging_directory)
        elif self._is_watched:
            _add_preload(root, vpm.WRITES_VARIABLE, self._here.memory_path)


def _add_preload(root: Any, name: str, value: str) -> None:
    """Have QEMU load our library, which looks at a variable."""
    commandline = root.find(_QEMU + 'commandline')
    for name, value in ((PRELOAD_ENV, preload_path()), (name, value)):
        etree.SubElement(commandline, _QEMU + 'env', name=name, value=value)


def _number_cpus(guest: vconfig.LibvirtConfigGuest,
                 cells: srat.Cells) -> None:
    """Have vCPUs numbered as the table of their cells says."""
    if guest.cpu is None:
        guest.cpu = vconfig.LibvirtConfigGuestCPU()
    guest.cpu.sockets = cells.sockets
    guest.cpu.cores = cells.cores
    guest.cpu.threads = cells.threads


def _reserve_nothing(backing: Any) -> None:
    """Let the memory that libvirt makes, and nobody uses, cost nothing.

    It has the size of the server's. By default it is a private mapping, which
    the kernel refuses if it is larger than DRAM and swap, and which counts in
    full where memory is not overcommitted. A shared memfd counts as much as
    is touched: nothing. QEMU leaves it out of every stream, like all memory
    that no machine has.

    :param backing: the element memoryBacking, empty
    """
    etree.SubElement(backing, 'source', type='memfd')
    etree.SubElement(backing, 'access', mode='shared')


def _add_seclabel(root: Any, owner: binding.Binding) -> None:
    seclabel = etree.SubElement(root, 'seclabel', type='static',
                                model='dac', relabel='yes')
    label = etree.SubElement(seclabel, 'label')
    label.text = '+%d:+%d' % (owner.uid, owner.gid)


def _own_args(here: binding.Binding, size: int,
              align: str = '') -> list[str]:
    return [
        '-object',
        'memory-backend-file,id=nvram,size=%d,mem-path=%s,share=on%s' % (
            size, _escape(here.memory_path), align),
        '-machine', 'memory-backend=nvram',
    ] + _monitor_args('temporality-fixate', here.fixate_socket) + (
        _monitor_args('temporality-watch', here.watch_socket))


def _cells_args(here: binding.Binding) -> list[str]:
    return srat.arguments(_escape(here.cells_table))


def add_args(root: Any, args: abc.Iterable[str]) -> None:
    """Append QEMU arguments to a domain's passthrough command line."""
    commandline = root.find(_QEMU + 'commandline')
    if commandline is None:
        commandline = etree.SubElement(root, _QEMU + 'commandline',
                                       nsmap={'qemu': _QEMU_NS})
    for arg in args:
        etree.SubElement(commandline, _QEMU + 'arg', value=arg)


def incoming_args(recover_socket: str) -> list[str]:
    """What makes a QEMU wait for a state instead of booting."""
    return _monitor_args('temporality-recover', recover_socket) + [
        '-incoming', 'defer']


def with_incoming(xml: str, recover_socket: str) -> str:
    """XML of a transient domain that waits for a state.

    :param xml: of the domain as it ran
    """
    root = etree.fromstring(xml)
    add_args(root, incoming_args(recover_socket))
    return etree.tostring(root, encoding='unicode')


def without_incoming(xml: str, recover_socket: str) -> str:
    """XML of a recovered domain as if it had been booted."""
    root = etree.fromstring(xml)
    commandline = root.find(_QEMU + 'commandline')
    args = list(commandline)
    values = [arg.get('value') for arg in args]
    extra = incoming_args(recover_socket)
    for start in range(len(values) - len(extra) + 1):
        if values[start:start + len(extra)] == extra:
            for arg in args[start:start + len(extra)]:
                commandline.remove(arg)
            break
    return etree.tostring(root, encoding='unicode')


def with_preload(xml: str, path: str) -> str:
    """XML of a domain whose QEMU loads another library, if it loads one."""
    root = etree.fromstring(xml)
    for variable in root.iter(_QEMU + 'env'):
        if variable.get('name') == PRELOAD_ENV:
            variable.set('value', path)
    return etree.tostring(root, encoding='unicode')


def uses_memory(xml: str, memory_path: str, uid: int) -> bool:
    """Whether a domain is that of a region.

    :param xml: of the domain
    :param memory_path: of the region
    :param uid: of the region
    """
    root = etree.fromstring(xml)
    labels = [label.text for label in root.findall(
        "seclabel[@model='dac']/label")]
    args = [arg.get('value') for arg in root.iter(_QEMU + 'arg')]
    wanted = ',mem-path=%s,' % _escape(memory_path)
    return any(wanted in arg for arg in args) and (
        not uid or any(label.startswith('+%d:' % uid) for label in labels))


def is_emulated(xml: str) -> bool:
    """Whether a domain's vCPUs are (TCG); otherwise the processor runs them.

    :param xml: of the domain
    """
    return etree.fromstring(xml).get('type') == 'qemu'


def movable(xml: str, cells: int = 1) -> str:
    """XML of a domain as Nova expects it when it chooses new CPUs for it.

    Nova then names the new cells, too, where a pVM has no element for them.
    moved() takes them away again.

    :param xml: of the domain
    :param cells: how many NUMA cells it asks for
    """
    root = etree.fromstring(xml)
    if root.find('cputune/emulatorpin') is not None:
        numatune = etree.SubElement(root, 'numatune')
        etree.SubElement(numatune, 'memory')
        for cell in range(cells):
            etree.SubElement(numatune, 'memnode', cellid=str(cell))
    return etree.tostring(root, encoding='unicode')


def moved(xml: str, size: int, here: binding.Binding,
          there: binding.Binding) -> str:
    """XML of a domain on the host that it is migrated to.

    :param xml: of the domain as it runs
    :param size: bytes of its memory
    :param here: what its QEMU is given on this host
    :param there: what it is given on the other one
    :raises ValueError: it is not as it should be here
    """
    root = etree.fromstring(without_incoming(xml, here.recover_socket))
    changes = dict(zip(_own_args(here, size), _own_args(there, size)))
    args = {arg.get('value'): arg for arg in root.iter(_QEMU + 'arg')}
    for old, new in changes.items():
        # The memory may be aligned: an earlier release did not do so.
        found = [end for end in ('', _ALIGN) if old + end in args]
        if not found:
            raise ValueError("the domain's QEMU has no argument '%s'" % old)
        args[old + found[0]].set('value', new + found[0])
    for old, new in zip(_cells_args(here), _cells_args(there)):
        # Only one with several cells has it.
        if old != new and old in args:
            args[old].set('value', new)
    for variable in root.iter(_QEMU + 'env'):
        if variable.get('name') == vpm.WRITES_VARIABLE:
            variable.set('value', there.memory_path)
    for backing in root.findall('memoryBacking'):
        if not len(backing):
            # Nova has emptied it.
            _reserve_nothing(backing)
    for element in [*root.findall('numatune'),
                    *root.findall("seclabel[@model='dac']")]:
        root.remove(element)
    if there.uid:
        _add_seclabel(root, there)
    return etree.tostring(root, encoding='unicode')
