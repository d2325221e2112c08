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
"""What a block device is to the kernel, by whatever path it is reached.

Names of devices wander from boot to boot, and a volume is reached by one path
or by a multipath device. What its storage calls it stays.
"""

from __future__ import annotations

import os
import pathlib
import re

from nova_temporality.host import reading

_SYSFS = '/sys/dev/block'

# The first that is there counts; the latter ones are of partitions' disks.
_ATTRIBUTES = ('dm/uuid', 'device/wwid', 'wwid', 'serial', '../device/wwid',
               '../wwid')

# multipathd calls a device as scsi_id(8) does: a digit for the kind of name.
_MPATH = re.compile(r'mpath-(?P<kind>[23])(?P<name>[0-9a-f]+)\Z')
_MPATH_KINDS = {'2': 'eui', '3': 'naa'}

_LUKS = re.compile(r'crypt-luks[12]-(?P<name>[0-9a-f]{32})-')
_LVM = re.compile(r'lvm-(?P<name>\w{64})\Z')

# T10 and NVMe names that targets make up of their own numbers are left out:
# they change when the target is started again.
_STABLE = re.compile(r'(?:naa|eui|uuid)\..+\Z')


def of(number: int) -> str | None:
    """The kind of a device's name, a dot, and the name; None if it has none.

    :param number: of the device
    """
    for attribute in _ATTRIBUTES:
        text = reading.attribute(pathlib.Path(
            _SYSFS, '%d:%d' % (os.major(number), os.minor(number)),
            attribute))
        if text:
            return 'serial.' + text if attribute == 'serial' else (
                _canonical(text.lower()))
    return None


def _canonical(text: str) -> str | None:
    mpath = _MPATH.match(text)
    if mpath:
        return '%s.%s' % (_MPATH_KINDS[mpath['kind']], mpath['name'])
    for kind, pattern in (('luks', _LUKS), ('lvm', _LVM)):
        found = pattern.match(text)
        if found:
            return '%s.%s' % (kind, found['name'])
    return text if _STABLE.match(text) else None


def differ(one: str | None, other: str | None) -> bool:
    """Whether two names are of two devices; other kinds do not compare."""
    if one is None or other is None:
        return False
    return one != other and one.split('.')[0] == other.split('.')[0]
