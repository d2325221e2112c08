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

"""Has a pVM claim NVRAM from Placement, and DRAM for its QEMU alone."""

from __future__ import annotations

from nova.compute import vm_states
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.scheduler import request_filter
from nova.virt import hardware

from nova_temporality import conf
from nova_temporality.scheduler import limit
from nova_temporality.scheduler import policy
from nova_temporality.spec import errors
from nova_temporality.spec import persistence
from nova_temporality.spec import resources
from nova_temporality.spec import server_spec


# For each GiB of memory: QEMU's page tables have 8 bytes for each 4 KiB.
_PAGE_TABLES_MB = 2
# Measured, with pages of 4 KiB (docs: evaluation).
_PAGER_MB = 16


def _spec(ctxt: nova_context.RequestContext,
          request_spec: objects.RequestSpec) -> (
              tuple[server_spec.ServerSpec, int]):
    """What the server to be placed is, or shall become.

    RequestSpec carries no server metadata. A new server has it in its build
    request. For one that moves, what was decided at its spawn holds, and what
    the flavor says that it is resized to; nobody is asked again.

    :returns: that, and the MiB of NVRAM that its project gets more of
    :raises InvalidSpec: naming the value and the remedy
    """
    uuid = request_spec.instance_uuid
    try:
        instance = objects.BuildRequest.get_by_instance_uuid(
            ctxt, uuid).instance
    except exception.BuildRequestNotFound:
        mapping = objects.InstanceMapping.get_by_instance_uuid(ctxt, uuid)
        with nova_context.target_cell(ctxt, mapping.cell_mapping) as cctxt:
            instance = objects.Instance.get_by_uuid(
                cctxt, uuid, expected_attrs=['flavor', 'system_metadata'])
        spec = server_spec.placed(instance, request_spec.flavor)
        if instance.vm_state == vm_states.SHELVED_OFFLOADED:
            return spec, spec.nvram_mb
        return spec, spec.nvram_mb - server_spec.decided(instance).nvram_mb
    _check_policy(ctxt, instance)
    spec = server_spec.requested(
        request_spec.flavor, instance.system_metadata, instance.metadata,
        conf.CONF.temporality.allow_server_property)
    # Several servers of one request are placed at once.
    return spec, spec.nvram_mb * request_spec.num_instances


def _check_policy(ctxt: nova_context.RequestContext,
                  instance: objects.Instance) -> None:
    if persistence.is_requested_by_property(instance.metadata) and (
            not policy.may_create_by_property(ctxt)):
        raise errors.InvalidSpec(
            "Policy does not allow the server property '%s=true' here (%s)" %
            (persistence.SERVER_PROPERTY, policy.CREATE_BY_PROPERTY))
    if persistence.is_requested_by_image(instance.system_metadata) and (
            not policy.may_create_by_image(ctxt)):
        raise errors.InvalidSpec(
            "Policy does not allow images with '%s=true' here (%s)" %
            (persistence.IMAGE_PROPERTY, policy.CREATE_BY_IMAGE))


def _overhead_mb(spec: server_spec.ServerSpec) -> int:
    """MiB of DRAM that a pVM takes all the same."""
    qemu_mb = conf.CONF.temporality.qemu_overhead_mb
    if not qemu_mb:
        return 0
    per_gib_mb = _PAGE_TABLES_MB + (_PAGER_MB if spec.is_paged else 0)
    return qemu_mb - (-spec.memory_mb * per_gib_mb // 1024)


@request_filter.trace_request_filter
def claim_nvram(ctxt: nova_context.RequestContext,
                request_spec: objects.RequestSpec) -> bool:
    """Let a pVM claim NVRAM, and ordinary memory only for its QEMU.

    :returns: whether the request was changed
    :raises nova.exception.RequestFilterFailed: the server, its image or its
        flavor asks for what cannot be had, or the project for too much; Nova
        puts the text into the server's fault
    """
    try:
        spec, more_mb = _spec(ctxt, request_spec)
    except errors.InvalidSpec as exc:
        raise exception.RequestFilterFailed(reason=str(exc))
    if not spec.is_persistent:
        return False
    limit.check(ctxt, request_spec.project_id, more_mb)
    # The scheduler's copy of the request spec is never saved, so this
    # neither reaches the flavor nor the next request.
    flavor = request_spec.flavor
    extra_specs = flavor.extra_specs if 'extra_specs' in flavor else {}
    flavor.extra_specs = dict(extra_specs, **{
        'resources:%s' % resources.NVRAM_MB: str(spec.nvram_mb),
        'resources:MEMORY_MB': str(_overhead_mb(spec)),
        'trait:%s' % resources.TRAIT: 'required',
    })
    _claim_small_pages(request_spec)
    return True


def _claim_small_pages(request_spec: objects.RequestSpec) -> None:
    """Have no host looked for whose DRAM has pages of a size.

    That counts pages of hugetlbfs, where a pVM's memory is not.
    """
    topology = request_spec.numa_topology
    for cell in topology.cells if topology else []:
        if cell.pagesize:
            cell.pagesize = hardware.MEMPAGES_SMALL
