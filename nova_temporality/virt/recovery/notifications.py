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

"""Notifications of nova-compute, sent where Nova sends its own."""

from __future__ import annotations

import nova.conf
from nova import context as nova_context
from nova import exception
from nova import objects
from nova import rpc

CONF = nova.conf.CONF

NOT_RESUMED = 'temporality.pvm.not_resumed'


def not_resumed(context: nova_context.RequestContext,
                instance: objects.Instance,
                reason: exception.NovaException) -> None:
    """Tell that a pVM does not run on after an outage.

    :param reason: why not
    """
    payload = {'name': instance.uuid, 'project_id': instance.project_id,
               'host': CONF.host, 'reason': reason.format_message()}
    # [notifications] notification_format says which of them are real ones.
    rpc.get_notifier('compute', CONF.host).warn(context, NOT_RESUMED, payload)
    rpc.get_versioned_notifier('nova-compute:' + CONF.host).warn(
        context, NOT_RESUMED, {
            'nova_object.name': 'PvmNotResumedPayload',
            'nova_object.namespace': 'temporality',
            'nova_object.version': '1.0',
            'nova_object.data': payload})
