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

"""The NVDIMMs below a pool, as the kernel describes them in sysfs.

A pool's block device is a namespace of a region, and a region is mapped to one
or more NVDIMMs (``nmem0``). What they say of themselves lies below a name that
depends on where they come from: ``nfit`` (ACPI), ``papr`` (POWER) or ``cxl``.
See Documentation/ABI/testing/sysfs-bus-nfit, -papr-pmem and -nvdimm in the
kernel's sources. Emulated NVRAM has no NVDIMMs.
"""

from collections import abc
import dataclasses
import os
import pathlib
import re

from nova_temporality.host import reading

SYSFS = '/sys'

_FAMILIES = ('nfit', 'papr', 'cxl')

# "mappings" says how many there are.
_MAPPING = re.compile('mapping[0-9]+')

# Flags, as the kernel spells them.
_NOT_ARMED = 'not_armed'
# What was in it before this boot is lost, or partly.
_LOSSES = {'save_fail': 'it could not save its contents when power failed',
           'flush_fail': 'what was written last did not reach it when power '
                         'failed',
           'restore_fail': 'it could not restore its contents'}
# smart_notify of an NFIT only says that events would be told.
_EVENTS = {'nfit': ('smart_event', 'map_fail'), 'papr': ('smart_notify',),
           'cxl': ()}


@dataclasses.dataclass(frozen=True)
class Nvdimm:
    """One NVDIMM.

    :ivar name: the kernel's; may be another one after a boot
    :ivar id: its own, of vendor and serial number; its name if it has none
    :ivar losses: why what was in it before this boot is lost, in words
    :ivar is_armed: whether what is in it survives a power failure
    :ivar events: flags by which it asks to be looked after
    :ivar dirty_shutdowns: how often its contents were not saved in full so
                           far; None if it does not count
    """

    name: str
    id: str
    losses: tuple[str, ...] = ()
    is_armed: bool = True
    events: tuple[str, ...] = ()
    dirty_shutdowns: int | None = None


def region(pool_path: str, sysfs: str = SYSFS) -> pathlib.Path | None:
    """The directory of a pool's region in sysfs; None if it is in none.

    :param sysfs: where sysfs is mounted
    """
    return directory(pool_path, 'persistence_domain', sysfs)


def directory(pool_path: str, attribute: str,
              sysfs: str = SYSFS) -> pathlib.Path | None:
    """What of a pool's device in sysfs has an attribute; None if nothing.

    :param sysfs: where sysfs is mounted
    """
    device = os.stat(pool_path).st_dev
    path = pathlib.Path(sysfs, 'dev/block', '%d:%d' % (
        os.major(device), os.minor(device))).resolve()
    for found in (path, *path.parents):
        if (found / attribute).exists():
            return found
    return None


def below(pool_path: str, sysfs: str = SYSFS) -> list[Nvdimm]:
    """The NVDIMMs below a pool; none where NVRAM is emulated.

    :param sysfs: where sysfs is mounted
    :raises OSError: nobody can tell now
    """
    found = region(pool_path, sysfs)
    if found is None:
        return []
    # "nmem0,0,17179869184,0": name, start, size, position
    # Path.glob() takes a directory that it cannot read for an empty one.
    mappings = (reading.attribute(found / name) for name in os.listdir(found)
                if _MAPPING.fullmatch(name))
    names = {mapping.split(',')[0] for mapping in mappings if mapping}
    return [_look(found.parent / name) for name in sorted(names)
            if '/' not in name]


def lost(nvdimms: abc.Iterable[Nvdimm]) -> list[str]:
    """Which of them have lost what was in them before this boot, in words."""
    return ['%s: %s' % (nvdimm.name, loss)
            for nvdimm in nvdimms for loss in nvdimm.losses]


def _look(path: pathlib.Path) -> Nvdimm:
    family = next((one for one in _FAMILIES if (path / one).is_dir()), None)
    if family is None:
        return Nvdimm(path.name, path.name)
    flags = (reading.attribute(path / family / 'flags') or '').split()
    return Nvdimm(
        path.name, reading.attribute(path / family / 'id') or path.name,
        tuple(loss for flag, loss in _LOSSES.items() if flag in flags),
        _NOT_ARMED not in flags,
        tuple(flag for flag in _EVENTS[family] if flag in flags),
        _number(reading.attribute(path / family / 'dirty_shutdown')))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
