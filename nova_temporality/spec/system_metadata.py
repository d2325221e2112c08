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

"""What we note on a server in Nova's system metadata, and under which names.

Nova copies system metadata into a server's images, and from there into the
servers that are created from them, with ``image_`` put before each name. So
our names must mean nothing in an image, and are kept out of them where
nova-api loads this package (all images are described by nova-api).
"""

from __future__ import annotations

from nova import objects

NAMESPACE = 'temporality_internal_'

# Of releases whose names could be taken for an image's own property.
_EARLIER = {
    'is_persistent': 'temporality_persistent',
    'asked_by_server': 'temporality_own_wish',
    'genid': 'temporality_genid',
    'former_vm_state': 'temporality_former_vm_state',
}
_TARGET = 'target_'
_EARLIER_TARGET = 'temporality_target_'

# 'temporality_persistent' may be an image's own property: that is inherited.
NEVER_IN_IMAGES = frozenset([
    NAMESPACE, 'temporality_own_wish', 'temporality_genid',
    'temporality_former_vm_state', _EARLIER_TARGET])


def _earlier(name: str) -> str:
    if name.startswith(_TARGET):
        return _EARLIER_TARGET + name.removeprefix(_TARGET)
    return _EARLIER.get(name, '')


def get(instance: objects.Instance, name: str) -> str | None:
    """Return what was noted on a server; None if nothing was."""
    noted = instance.system_metadata
    value = noted.get(NAMESPACE + name)
    return noted.get(_earlier(name)) if value is None else value


def put(instance: objects.Instance, name: str, value: str) -> None:
    """Note something on a server (not saved here)."""
    instance.system_metadata[NAMESPACE + name] = value
    instance.system_metadata.pop(_earlier(name), None)


def remove(instance: objects.Instance, name: str) -> bool:
    """Remove what was noted on a server (not saved here).

    :returns: whether there was anything
    """
    found = [key for key in (NAMESPACE + name, _earlier(name))
             if key in instance.system_metadata]
    for key in found:
        del instance.system_metadata[key]
    return bool(found)


def rename(instance: objects.Instance) -> bool:
    """Give what an earlier release noted the names of today.

    :returns: whether there was anything (not saved here)
    """
    noted = instance.system_metadata
    found = [name for name, earlier in _EARLIER.items() if earlier in noted]
    found += [_TARGET + key.removeprefix(_EARLIER_TARGET) for key in noted
              if key.startswith(_EARLIER_TARGET)]
    for name in found:
        put(instance, name, get(instance, name) or '')
    return bool(found)
