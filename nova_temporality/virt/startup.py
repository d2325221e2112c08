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

"""When nova-compute starts: which servers are there to be recovered.

Nova 34 has a hook for it, which hands over the servers that are still this
host's. Nova 33 has none; there it is plug_vifs(), the driver's first work on
each server that was not evacuated, one after the other.
"""

from __future__ import annotations

from collections import abc
from typing import Any

import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging
import oslo_messaging

from nova_temporality.spec import persistence
from nova_temporality.spec import system_metadata
from nova_temporality.virt import orphans
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt import servers as pvm_servers

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


def _rename_notes(instances: abc.Iterable[objects.Instance]) -> None:
    """Rename what an earlier release noted on servers.

    Nothing depends on it, but their next images would hold it.
    """
    for instance in instances:
        if not system_metadata.rename(instance):
            continue
        instance.obj_reset_changes(['system_metadata'])
        try:
            # What Nova read at its start may be older than what another host
            # has noted since.
            fresh = objects.Instance.get_by_uuid(
                nova_context.get_admin_context(), instance.uuid,
                expected_attrs=['system_metadata'])
            if fresh.host == CONF.host and system_metadata.rename(fresh):
                fresh.save()
        except nova_exception.NovaException as exc:
            LOG.warning('What was noted on it keeps its earlier names until '
                        'nova-compute starts again: %s', exc,
                        instance=instance)
        except oslo_messaging.MessagingException as exc:
            LOG.warning('What was noted on servers keeps its earlier names '
                        'until nova-compute starts again: %s', exc)
            return


class _WithHook(libvirt_driver.LibvirtDriver):
    """For Nova 34 and later."""

    servers: pvm_servers.Servers
    recoveries: keeper.Keeper

    def process_instances_at_startup(
            self, context: nova_context.RequestContext,
            instances: objects.InstanceList) -> objects.InstanceList:
        """See ComputeDriver; brings fixated pVMs back first of all."""
        instances = super().process_instances_at_startup(context, instances)
        _rename_notes(instances)
        pvms = [instance for instance in instances
                if persistence.is_pvm(instance)]
        for instance in pvms:
            self.servers.add(instance.uuid)
        self.recoveries.start(pvms)
        orphans.look(instances)
        return instances


class _WithoutHook(libvirt_driver.LibvirtDriver):
    """For Nova 33.

    Unlike with the hook, servers in ERROR are passed over by Nova, and
    regions of servers that Nova does not know are not reported.
    """

    _starting = False
    servers: pvm_servers.Servers
    recoveries: keeper.Keeper

    def init_host(self, host: str) -> None:
        """See ComputeDriver."""
        super().init_host(host)
        self._starting = True

    def plug_vifs(self, instance: objects.Instance,
                  network_info: Any) -> None:
        """See ComputeDriver; while Nova starts, recovers a pVM before."""
        uuid = instance.uuid
        if self._starting:
            _rename_notes([instance])
        if (self._starting and persistence.is_pvm(instance) and
                not self.servers.knows(uuid) and
                not self.servers.of(instance).keeps_region):
            self.servers.add(uuid)
            self.recoveries.start([instance])
        super().plug_vifs(instance, network_info)

    def get_available_resource(self, nodename: str) -> Any:
        """See ComputeDriver; Nova's first question once it has started."""
        self._starting = False
        return super().get_available_resource(nodename)


# What Nova has decides, when this is imported.
Startup: Any = (
    _WithHook if hasattr(libvirt_driver.LibvirtDriver,
                         'process_instances_at_startup')
    else _WithoutHook)
