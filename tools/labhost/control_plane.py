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

"""What stands for Nova's database and its other services.

Nobody but this host does anything with its servers.
"""

import contextlib
from unittest import mock

from nova.compute import utils as compute_utils
from nova import objects

from nova_temporality.virt import events
from nova_temporality.virt.recovery import notifications
from nova_temporality.virt.recovery import service

from labhost import servers


class ControlPlane:
    """Knows the servers that were asked for, and what became of them.

    :ivar faults: what Nova would show of a server, by its UUID
    """

    def __init__(self):
        self.faults = {}
        self._instances = {}

    def instance(self, uuid):
        """A server as Nova has it."""
        if uuid not in self._instances:
            self._instances[uuid] = servers.instance(uuid)
        return self._instances[uuid]

    def _note_fault(self, _context, instance, fault, *_args):
        self.faults[instance.uuid] = str(fault)

    @contextlib.contextmanager
    def there(self):
        """The context in which Nova's objects are those of this class."""
        nothing = [
            (objects.Instance, 'save'), (events, 'failed'),
            (notifications, 'not_resumed'), (service.Service, 'check'),
            (service.Service, 'check_fresh')]
        instead = [
            (objects.Instance, 'get_by_uuid',
             lambda _context, uuid, expected_attrs=None: self.instance(uuid)),
            (objects.Service, 'get_by_compute_host',
             lambda *_args: objects.Service(disabled=False)),
            (objects.MigrationList, 'get_by_filters',
             lambda *_args, **_kwargs: []),
            (objects.BlockDeviceMappingList, 'get_by_instance_uuid',
             lambda *_args: objects.BlockDeviceMappingList()),
            (events, 'action', lambda *_args: contextlib.nullcontext()),
            (compute_utils, 'add_instance_fault_from_exc',
             self._note_fault)]
        with contextlib.ExitStack() as stack:
            for place, name in nothing:
                stack.enter_context(mock.patch.object(place, name))
            for place, name, stand_in in instead:
                stack.enter_context(mock.patch.object(place, name, stand_in))
            yield self
