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

"""What "openstack server event list" shows of what nobody asked Nova for."""

from __future__ import annotations

from nova.compute import utils as compute_utils
import nova.conf
from nova import context as nova_context
from nova import objects
from oslo_log import log as logging

from nova_temporality import exception

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# A proven state was given up.
GIVEN_UP = 'temporality_state_given_up'


def action(context: nova_context.RequestContext, uuid: str,
           name: str) -> compute_utils.EventReporter:
    """Begin an action on a server.

    :param name: of the action
    :returns: a context, whose end is that of the action; an exception that
              leaves it makes the action one that failed
    """
    objects.InstanceAction.action_start(context, uuid, name,
                                        want_result=False)
    return compute_utils.EventReporter(context, name, CONF.host, uuid)


def failed(context: nova_context.RequestContext, uuid: str, name: str,
           exc: Exception) -> None:
    """Note an action that failed; only the log says so if Nova does not.

    :param name: of the action
    :param exc: why it failed
    """
    try:
        with action(context, uuid, name):
            raise exc
    except Exception as caught:
        if caught is not exc:
            LOG.warning('Nova did not take the event %s of server %s: %s',
                        name, uuid, caught)


def given_up(instance: objects.Instance, reason: str) -> None:
    """Tell that a server's proven state is given up: nobody finds it later.

    In the log, the list of events and, for a server in ERROR, the fault.

    :param reason: in words
    """
    exc = exception.StateGivenUp(reason=reason)
    LOG.warning('%s', exc.format_message(), instance=instance)
    context = nova_context.get_admin_context()
    failed(context, instance.uuid, GIVEN_UP, exc)
    try:
        compute_utils.add_instance_fault_from_exc(context, instance, exc)
    except Exception as caught:
        LOG.warning('Nova did not take the fault: %s', caught,
                    instance=instance)
