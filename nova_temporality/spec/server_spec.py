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

"""What a server is asked to be, read once."""

from __future__ import annotations

from collections import abc
import dataclasses

from typing import TypeVar

from nova import objects

from nova_temporality.spec import disk_queues
from nova_temporality.spec import errors
from nova_temporality.spec import max_outage
from nova_temporality.spec import persistence
from nova_temporality.spec import priority
from nova_temporality.spec import sizing
from nova_temporality.spec import spelling


_EXTRA_SPECS = (persistence.FLAVOR_EXTRA_SPEC, sizing.MRR_EXTRA_SPEC,
                sizing.NVRAM_EXTRA_SPEC, priority.EXTRA_SPEC,
                max_outage.MAX_OUTAGE_EXTRA_SPEC,
                disk_queues.SIZE_EXTRA_SPEC, disk_queues.COUNT_EXTRA_SPEC)


_Value = TypeVar('_Value')


@dataclasses.dataclass(frozen=True)
class ServerSpec:
    """What a server is asked to be.

    All but the first are only said of a pVM.

    :ivar is_persistent: whether it is a pVM
    :ivar memory_mb: its memory, MiB
    :ivar nvram_mb: what of it is in NVRAM, MiB
    :ivar priority: when power fails, the highest is fixated first
    :ivar max_outage: seconds that an outage may last for it to run on; 0 for
                      any time, None if the host's default counts
    :ivar disk_queues: of each of its virtio disks
    """

    is_persistent: bool
    memory_mb: int = 0
    nvram_mb: int = 0
    priority: int = priority.DEFAULT
    max_outage: int | None = None
    disk_queues: disk_queues.DiskQueues = disk_queues.DEFAULT

    @property
    def is_paged(self) -> bool:
        """Whether it is a pVM with less NVRAM than memory."""
        return self.is_persistent and self.nvram_mb < self.memory_mb


def requested(flavor: objects.Flavor,
              system_metadata: abc.Mapping[str, str],
              metadata: abc.Mapping[str, str],
              property_allowed: bool = True) -> ServerSpec:
    """What is asked for with a new server.

    :param system_metadata: of the server, holding the image's properties
    :param metadata: of the server, set by the tenant
    :param property_allowed: whether tenants may ask by the server property
    :raises InvalidSpec: naming the value and the remedy
    """
    extra_specs = _extra_specs(flavor)
    spec = _read(flavor, persistence.is_requested(
        extra_specs, system_metadata, metadata, property_allowed))
    if spec.is_persistent:
        spelling.check(persistence.FLAVOR_KEY, extra_specs, _EXTRA_SPECS)
    return spec


def decided(instance: objects.Instance) -> ServerSpec:
    """What was decided for a server that was spawned.

    Its flavor came with it and cannot be corrected any more. So a priority, a
    longest outage or queues of disks that cannot be read do not stop it.

    :raises InvalidSpec: its size cannot be understood
    """
    return _read(instance.flavor, persistence.is_pvm(instance),
                 is_spawned=True)


def resized(instance: objects.Instance, flavor: objects.Flavor) -> ServerSpec:
    """What a server that was spawned becomes with a flavor.

    :raises InvalidSpec: naming the value and the remedy
    """
    return _with_flavor(instance, flavor, is_spawned=False)


def placed(instance: objects.Instance, flavor: objects.Flavor) -> ServerSpec:
    """What a server that was spawned is or becomes, as far as Placement goes.

    :param flavor: that it has, or shall be resized to
    :raises InvalidSpec: naming the value and the remedy
    """
    return _with_flavor(instance, flavor, is_spawned=True)


def _with_flavor(instance: objects.Instance, flavor: objects.Flavor,
                 is_spawned: bool) -> ServerSpec:
    extra_specs = _extra_specs(flavor)
    spec = _read(flavor, persistence.with_flavor(instance, extra_specs),
                 is_spawned)
    # A server that has a misspelt key already moves all the same.
    new = set(extra_specs) - set(_extra_specs(instance.flavor))
    spelling.check(persistence.FLAVOR_KEY, new,
                   _EXTRA_SPECS if spec.is_persistent
                   else [persistence.FLAVOR_EXTRA_SPEC])
    return spec


def _read(flavor: objects.Flavor, is_persistent: bool,
          is_spawned: bool = False) -> ServerSpec:
    if not is_persistent:
        return ServerSpec(False)
    extra_specs = _extra_specs(flavor)
    return ServerSpec(
        True, flavor.memory_mb,
        nvram_mb=sizing.nvram_mb(flavor.memory_mb, extra_specs),
        priority=_or_default(priority.of_flavor, extra_specs,
                             priority.DEFAULT, is_spawned),
        max_outage=_or_default(max_outage.of_flavor, extra_specs, None,
                               is_spawned),
        disk_queues=_or_default(disk_queues.of_flavor, extra_specs,
                                disk_queues.DEFAULT, is_spawned))


def _or_default(read: abc.Callable[[abc.Mapping[str, str]], _Value],
                extra_specs: abc.Mapping[str, str], default: _Value,
                is_spawned: bool) -> _Value:
    try:
        return read(extra_specs)
    except errors.InvalidSpec:
        if is_spawned:
            return default
        raise


def _extra_specs(flavor: objects.Flavor) -> abc.Mapping[str, str]:
    # A request for Placement may have a flavor without.
    return flavor.extra_specs if 'extra_specs' in flavor else {}
