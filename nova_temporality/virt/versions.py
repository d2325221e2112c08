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

"""The versions of Nova, libvirt and QEMU that pVMs need."""

from __future__ import annotations

from collections import abc

import libvirt
from nova import version as nova_version

from nova_temporality import version

Version = tuple[int, ...]

# The oldest that were tested; nobody knows what older ones do.
MIN_LIBVIRT = (11, 3, 0)
MIN_QEMU = (10, 0, 2)


def dotted(version: Version) -> str:
    """A version in words."""
    return '.'.join(str(part) for part in version)


def _parts(number: int) -> Version:
    # libvirt's encoding of versions
    return number // 1000000, number // 1000 % 1000, number % 1000


def found(connection: libvirt.virConnect) -> list[
        tuple[str, Version, Version]]:
    """What a host has: [(name, version, oldest version that was tested)].

    :raises libvirt.libvirtError: libvirt does not answer
    """
    nova = tuple(int(part) for part in
                 nova_version.version_string().split('.')[:3])
    return [('Nova', nova, version.OLDEST_NOVA),
            ('libvirt', _parts(connection.getLibVersion()), MIN_LIBVIRT),
            ('QEMU', _parts(connection.getVersion()), MIN_QEMU)]


def problem(versions: abc.Iterable[tuple[str, Version, Version]]) -> (
        str | None):
    """What is wrong with those of :func:`found` and the remedy, or None."""
    older = ['%s is %s, older than %s' % (
        name, dotted(version), dotted(minimum))
        for name, version, minimum in versions if version < minimum]
    if not older:
        return None
    return '%s, the oldest that was tested; upgrade it' % ' and '.join(older)
