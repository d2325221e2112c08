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

"""How much NVRAM a project may have.

Nova's own limits do not see it. They are enforced before our request filter
runs, with what the flavor says in words of Placement: nothing of NVRAM.
"""

from __future__ import annotations

from nova import context as nova_context
from nova import exception
from nova.limit import placement as placement_limits
from nova.limit import utils as limit_utils
from nova.scheduler.client import report
from oslo_limit import exception as limit_exception

from nova_temporality import conf
from nova_temporality.spec import resources


def check(context: nova_context.RequestContext, project_id: str,
          more_mb: int) -> None:
    """Refuse what would give a project more NVRAM than it may have.

    :param more_mb: MiB of NVRAM that it asks for beyond what it has
    :raises nova.exception.RequestFilterFailed: with the numbers
    """
    if more_mb <= 0:
        return
    try:
        if limit_utils.use_unified_limits():
            _check_in_keystone(context, project_id, more_mb)
        elif conf.CONF.temporality.project_nvram_mb >= 0:
            _check_option(context, project_id, more_mb)
    except exception.UsagesRetrievalFailed as exc:
        raise exception.RequestFilterFailed(
            reason="Placement does not say how much NVRAM the project has: "
                   '%s; try again' % exc.format_message())


def _check_in_keystone(context: nova_context.RequestContext, project_id: str,
                       more_mb: int) -> None:
    enforcer = placement_limits._get_enforcer(context, project_id)
    try:
        enforcer.enforce(project_id,
                         {'class:%s' % resources.NVRAM_MB: more_mb})
    except limit_exception.ProjectOverLimit as exc:
        # Nova's rules for what has no limit in Keystone.
        if limit_utils.should_enforce(exc):
            raise exception.RequestFilterFailed(reason=str(exc))


def _check_option(context: nova_context.RequestContext, project_id: str,
                  more_mb: int) -> None:
    limit_mb = conf.CONF.temporality.project_nvram_mb
    client = report.report_client_singleton()
    used_mb = client.get_usages_counts_for_limits(
        context, project_id).get(resources.NVRAM_MB, 0)
    if used_mb + more_mb > limit_mb:
        raise exception.RequestFilterFailed(
            reason='The project may have %d MiB of NVRAM and has %d; %d more '
                   'are asked for. Delete or shelve persistent servers, or '
                   'ask the operator for a higher limit' %
                   (limit_mb, used_mb, more_mb))
