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

"""What the recovery of one server works with."""

from __future__ import annotations

from nova.compute import utils as compute_utils
from nova import context as nova_context
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import exception
from nova_temporality.virt import domain as pvm_domain
from nova_temporality.virt import events
from nova_temporality.virt import guest as pvm_guest
from nova_temporality.virt.recovery import former
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt.recovery import volumes

ACTION = 'temporality_recover'


class Recovery:
    """The recovery of one server.

    :ivar driver: TemporalityDriver
    :ivar context: for Nova
    :ivar server: server.PersistentServer
    :ivar instance: the server's objects.Instance
    :ivar was_frozen: whether Nova had perhaps asked the guest to freeze its
                      file systems when power failed
    :ivar course: what the outage's report will say of it
    :ivar is_told: whether Nova's list of events has something of it
    :ivar volumes: how its volumes were attached when they were connected, see
                   volumes.identity(); None if none were
    """

    def __init__(self, driver: libvirt_driver.LibvirtDriver,
                 context: nova_context.RequestContext,
                 instance: objects.Instance) -> None:
        self.driver = driver
        self.context = context
        self.server = driver.servers.of(instance)
        self.instance = instance
        self.was_frozen = driver.recoveries.was_making_an_image(
            instance.uuid)
        self.course = driver.recoveries.course_of(instance.uuid)
        self.course.display_name = instance.display_name or ''
        self.is_told = False
        self.volumes: set[tuple[str | None, ...]] | None = None

    def guest(self) -> pvm_guest.RunGuest:
        """The server's domain.

        :raises InstanceNotFound: libvirt has none
        """
        return self.server.guest()

    def power_state(self) -> int:
        """The power state of the server's domain."""
        return self.driver._host.get_guest(self.instance).get_power_state(
            self.driver._host)

    def confirm(self) -> None:
        """Make sure that the server, with its volumes, is this host's now.

        :raises NotOwner, Gone: it is not, somebody does something else with
            it, or nobody can tell
        """
        connected = None if self.volumes is None else (
            volumes.identity(self.bdms()))
        # Last of all, as each answer may take long.
        now = ownership.confirm(self.context, self.instance.uuid,
                                self.driver.recoveries.service)
        if (now.vm_state, now.task_state) != (self.instance.vm_state,
                                              self.instance.task_state):
            raise exception.NotOwner(
                reason='it is %s (%s) to Nova by now' % (
                    now.vm_state, now.task_state or 'no task'))
        if self.volumes != connected:
            raise exception.NotOwner(
                reason='its volumes are attached in another way by now')

    @property
    def is_being_booted(self) -> bool:
        """Whether an earlier try began to boot it afresh, and did not end."""
        return self.instance.uuid in self.driver.recoveries.booting

    def is_being_resumed(self) -> bool:
        """Whether its tenant is resuming it from a suspension."""
        return former.is_being_resumed(self.instance)

    def former_vm_state(self) -> str:
        """What the server was, and is again when it is back."""
        return former.vm_state(self.instance)

    def is_of_here(self, xml: str) -> bool:
        """Whether a recorded domain is that of the region on this host."""
        region = self.server.region()
        return pvm_domain.uses_memory(xml, region.memory_path, region.uid)

    def bdms(self) -> objects.BlockDeviceMappingList:
        """The server's block devices, as Nova has them."""
        return objects.BlockDeviceMappingList.get_by_instance_uuid(
            self.context, self.instance.uuid)

    def action(self) -> compute_utils.EventReporter:
        """A context that "openstack server event list" shows."""
        reporter = events.action(self.context, self.instance.uuid, ACTION)
        self.is_told = True
        return reporter
