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

"""Translates the wish for persistence into a request to Placement."""

from nova import context as nova_context
from nova import exception
from nova import objects
from nova.scheduler import request_filter

from nova_temporality import conf
from nova_temporality.scheduler import policy
from nova_temporality.spec import persistence
from nova_temporality.spec import resources
from nova_temporality.spec import sizing


def _is_or_becomes_pvm(ctxt, request_spec):
    """Whether the server to be placed is, or shall become, a pVM.

    RequestSpec carries no server metadata. A new server has it in its build
    request; for one that moves, what was decided at its spawn holds, and what
    the flavor says that it is resized to.
    """
    uuid = request_spec.instance_uuid
    try:
        instance = objects.BuildRequest.get_by_instance_uuid(
            ctxt, uuid).instance
    except exception.BuildRequestNotFound:
        mapping = objects.InstanceMapping.get_by_instance_uuid(ctxt, uuid)
        with nova_context.target_cell(ctxt, mapping.cell_mapping) as cctxt:
            instance = objects.Instance.get_by_uuid(
                cctxt, uuid, expected_attrs=['metadata', 'system_metadata'])
        if persistence.frozen(instance) is not None:
            return persistence.with_flavor(instance,
                                           _extra_specs(request_spec.flavor))
    if persistence.by_property(instance.metadata) and (
            not policy.may_create_by_property(ctxt)):
        raise persistence.BadWish(
            "Policy does not allow the server property '%s=true' here (%s)" %
            (persistence.SERVER_PROPERTY, policy.CREATE_BY_PROPERTY))
    return persistence.asked(
        _extra_specs(request_spec.flavor), instance.system_metadata,
        instance.metadata, conf.CONF.temporality.allow_server_property)


def _extra_specs(flavor):
    return flavor.extra_specs if 'extra_specs' in flavor else {}


@request_filter.trace_request_filter
def claim_nvram(ctxt, request_spec):
    """Let a pVM claim NVRAM instead of ordinary memory.

    :raises nova.exception.RequestFilterFailed: with the text of a wish or
        size that can't be understood; Nova puts it into the server's fault
    """
    try:
        persistent = _is_or_becomes_pvm(ctxt, request_spec)
        if not persistent:
            return False
        nvram_mb = sizing.nvram_mb(request_spec.flavor.memory_mb,
                                   _extra_specs(request_spec.flavor))
    except (persistence.BadWish, sizing.BadSize) as exc:
        raise exception.RequestFilterFailed(reason=str(exc))
    # The scheduler's copy of the request spec is never saved, so this
    # neither reaches the flavor nor the next request.
    flavor = request_spec.flavor
    flavor.extra_specs = dict(_extra_specs(flavor), **{
        'resources:%s' % resources.NVRAM_MB: str(nvram_mb),
        'resources:MEMORY_MB': '0',
        'trait:%s' % resources.TRAIT: 'required',
    })
    return True
