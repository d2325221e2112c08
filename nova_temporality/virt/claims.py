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

"""Has pVMs claim no huge pages of the host's DRAM.

Nova's claims come before the driver is asked, and take pages of hugetlbfs for
``hw:mem_page_size``. A pVM's memory is in NVRAM, so it claims small ones, and
the pool is asked for the rest: on the host that it shall come to, before
anything is allocated there or stopped elsewhere. The scheduler does the same
(scheduler/request_filter.py).
"""

from __future__ import annotations

from typing import Any

from nova import exception as nova_exception
from nova import objects
from nova.virt import hardware

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.privsep import regions
from nova_temporality.spec import errors
from nova_temporality.spec import persistence
from nova_temporality.spec import server_spec
from nova_temporality.virt import page_sizes
from nova_temporality import vpm

_FLAVOR_KEY = 'hw:mem_page_size'


def give_way(tracker: Any) -> None:
    """Change what nova-compute's resource tracker claims for pVMs.

    :param tracker: Nova's ResourceTracker; its methods are those of Nova 33
                    and 34
    """
    claim = tracker.instance_claim
    move = tracker._move_claim

    def instance_claim(context: Any, instance: objects.Instance,
                       *args: Any, **kwargs: Any) -> Any:
        if _is_pvm(instance, instance.flavor):
            _check(instance.flavor, instance.image_meta)
            for cell in _cells(instance.numa_topology):
                if cell.pagesize:
                    cell.pagesize = hardware.MEMPAGES_SMALL
        return claim(context, instance, *args, **kwargs)

    def _move_claim(context: Any, instance: objects.Instance,
                    new_flavor: objects.Flavor, *args: Any,
                    image_meta: Any = None, **kwargs: Any) -> Any:
        if _is_pvm(instance, new_flavor):
            if not isinstance(image_meta, objects.ImageMeta):
                image_meta = objects.ImageMeta.from_dict(image_meta or {})
            _check(new_flavor, image_meta)
            new_flavor, image_meta = _small(new_flavor, image_meta)
        return move(context, instance, new_flavor, *args,
                    image_meta=image_meta, **kwargs)

    tracker.instance_claim = instance_claim
    tracker._move_claim = _move_claim


def _is_pvm(instance: objects.Instance, flavor: objects.Flavor) -> bool:
    try:
        if persistence.decision(instance) is None:
            return server_spec.requested(
                flavor, instance.system_metadata, instance.metadata,
                conf.CONF.temporality.allow_server_property).is_persistent
        return server_spec.placed(instance, flavor).is_persistent
    except errors.InvalidSpec:
        # Refused with the reason when the driver is asked.
        return False


def _check(flavor: objects.Flavor, image_meta: objects.ImageMeta) -> None:
    """Refuse a host whose pool does not give the pages.

    :raises ComputeResourcesUnavailable: Nova tries another host
    """
    if not page_sizes.wants_large(flavor, image_meta):
        return
    try:
        page_sizes.check(flavor, hardware.numa_get_constraints(
            flavor, image_meta))
    except exception.NotPossible:
        # On no host: refused when the driver is asked.
        return
    try:
        problem = regions.large_pages_problem(conf.CONF.temporality.pool_path)
    except vpm.VpmError as exc:
        problem = str(exc)
    if problem:
        raise nova_exception.ComputeResourcesUnavailable(
            reason='No memory in pages of 2 MiB on this host: %s' % problem)


def _cells(topology: objects.InstanceNUMATopology | None) -> Any:
    return topology.cells if topology else []


def _small(flavor: objects.Flavor, image_meta: objects.ImageMeta) -> (
        tuple[objects.Flavor, objects.ImageMeta]):
    """Copies of a flavor and image that want small pages, if they want any."""
    if _FLAVOR_KEY not in flavor.extra_specs:
        return flavor, image_meta
    flavor = flavor.obj_clone()
    # To these an image may say more.
    flavor.extra_specs = {**flavor.extra_specs, _FLAVOR_KEY: 'any'}
    image_meta = image_meta.obj_clone()
    image_meta.properties.hw_mem_page_size = 'small'
    return flavor, image_meta
