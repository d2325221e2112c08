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

"""Which projects and roles may ask for persistent servers by themselves.

By a server's property, or by an image, which may be one of their own.

The rule is enforced in nova-scheduler, with the policy file, the rules and the
roles of Nova's API: Nova has no hook for it in the API itself.
"""

from __future__ import annotations

from nova import context as nova_context
from nova import policy as nova_policy
from oslo_policy import policy

CREATE_BY_PROPERTY = 'temporality:create:by_property'

CREATE_BY_IMAGE = 'temporality:create:by_image'

_RULES = [
    policy.DocumentedRuleDefault(
        name=CREATE_BY_PROPERTY,
        check_str='@',
        description="Create a server with the property 'persistent=true'. "
                    'Flavors are not concerned: restrict the access to them.',
        operations=[{'path': '/servers', 'method': 'POST'}]),
    policy.DocumentedRuleDefault(
        name=CREATE_BY_IMAGE,
        check_str='rule:%s' % CREATE_BY_PROPERTY,
        description='Create a server from an image with the property '
                    "'temporality_persistent=true', which tenants can give "
                    'to images of their own.',
        operations=[{'path': '/servers', 'method': 'POST'}]),
]


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Entry point of the group oslo.policy.policies."""
    return list(_RULES)


def may_create_by_property(context: nova_context.RequestContext) -> bool:
    """Whether the user of a request may."""
    return _may(context, CREATE_BY_PROPERTY)


def may_create_by_image(context: nova_context.RequestContext) -> bool:
    """Whether the user of a request may."""
    return _may(context, CREATE_BY_IMAGE)


def _may(context: nova_context.RequestContext, rule: str) -> bool:
    nova_policy.init()
    if rule not in nova_policy._ENFORCER.registered_rules:
        nova_policy._ENFORCER.register_defaults(_RULES)
    return nova_policy.authorize(
        context, rule,
        target={'project_id': context.project_id,
                'user_id': context.user_id}, do_raise=False)
