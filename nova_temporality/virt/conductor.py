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

"""Asking Nova what has become of a server, as nova-compute would.

Through nova-conductor, with the configuration of the host's nova-compute: so
it is the right Nova that is asked, and needs no credentials of its own.
"""

from collections import abc

from nova.compute import vm_states
from nova.conductor import rpcapi as conductor_rpcapi
import nova.conf
from nova import config
from nova import context as nova_context
import nova.db.main.api
from nova import exception
from nova import objects
from nova.objects import base as objects_base
import oslo_messaging

CONF = nova.conf.CONF

DELETED = 'deleted'
ELSEWHERE = 'on another host'
UNKNOWN = 'not known to Nova'


class NoAnswer(Exception):
    """Nova does not say."""


def connect(config_files: abc.Iterable[str]) -> None:
    """Make ready for questions; once in a process.

    :param config_files: paths of nova-compute's configuration
    """
    arguments = ['temporality']
    for path in config_files:
        arguments += ['--config-file', path]
    config.parse_args(arguments, configure_db=False)
    objects.register_all()
    nova.db.main.api.DISABLE_DB_ACCESS = True
    objects_base.NovaObject.indirection_api = conductor_rpcapi.ConductorAPI()


def ask(uuid: str) -> str | None:
    """What has become of a server that this host has memory of.

    :returns: DELETED, ELSEWHERE, UNKNOWN (perhaps its records were purged
              since), or None: it is here, or about to come or go
    :raises NoAnswer:
    """
    context = nova_context.get_admin_context(read_deleted='yes')
    try:
        instance = objects.Instance.get_by_uuid(context, uuid,
                                                expected_attrs=[])
    except exception.InstanceNotFound:
        return UNKNOWN
    except oslo_messaging.MessagingException as exc:
        raise NoAnswer('nova-conductor does not answer: %s' % exc)
    if instance.deleted:
        return DELETED
    if instance.task_state is None and instance.host != CONF.host and (
            instance.host or instance.vm_state == vm_states.SHELVED_OFFLOADED):
        return ELSEWHERE
    return None
