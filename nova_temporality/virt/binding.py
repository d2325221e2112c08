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

"""What a pVM's QEMU is given on one host, and how another host gets to know.

The source of a live migration makes the domain's XML for its target, and Nova
has no field in which the target could tell what is to be in there. So the
target notes it in the server's system metadata, for as long as it takes.
"""

from __future__ import annotations

import dataclasses

from nova import context as nova_context
from nova import objects

from nova_temporality.host import paths
from nova_temporality.spec import system_metadata

_PREFIX = 'target_'


@dataclasses.dataclass(frozen=True)
class Binding:
    """A region and a run_dir on some host.

    :ivar memory_path: the region's memory file
    :ivar uid: user id that QEMU runs under; 0 is libvirt's choice
    :ivar gid: group id that QEMU runs under
    :ivar run_dir: [temporality] run_dir
    :ivar name: of the pVM
    """

    memory_path: str
    uid: int
    gid: int
    run_dir: str
    name: str

    @property
    def cells_table(self) -> str:
        """Path of the table of its NUMA cells, if it has several."""
        return paths.cells_table(self.run_dir, self.name)

    @property
    def fixate_socket(self) -> str:
        """Path of the monitor socket for the event."""
        return paths.fixate_socket(self.run_dir, self.name)

    @property
    def watch_socket(self) -> str:
        """Path of the monitor socket for the time before and after."""
        return paths.watch_socket(self.run_dir, self.name)

    @property
    def recover_socket(self) -> str:
        """Path of the monitor socket through which a state is loaded."""
        return paths.recover_socket(self.run_dir, self.name)


_FIELDS = [field.name for field in dataclasses.fields(Binding)]


def announce(context: nova_context.RequestContext, target: Binding) -> None:
    """Note the binding on the host that a server is about to move to."""
    instance = _fresh(context, target.name)
    for field in _FIELDS:
        system_metadata.put(instance, _PREFIX + field,
                            str(getattr(target, field)))
    instance.save()


def announced(context: nova_context.RequestContext, name: str) -> Binding:
    """Read what announce() noted.

    :param name: of the pVM
    :raises LookupError: nobody announced any
    """
    instance = _fresh(context, name)
    noted = {field: value for field, value in (
        (field, system_metadata.get(instance, _PREFIX + field))
        for field in _FIELDS) if value is not None}
    try:
        return Binding(
            memory_path=noted['memory_path'], uid=int(noted['uid']),
            gid=int(noted['gid']), run_dir=noted['run_dir'],
            name=noted['name'])
    except KeyError:
        raise LookupError('the target has not made ready for the memory of '
                          '%s; does it run TemporalityDriver, of the same '
                          'release?' % name)


def is_announced(instance: objects.Instance) -> bool:
    """Whether announce() noted a binding, and nobody forgot it since."""
    return system_metadata.get(instance, _PREFIX + 'memory_path') is not None


def forget(context: nova_context.RequestContext, name: str) -> None:
    """Remove the note of announce(), if there is any."""
    instance = _fresh(context, name)
    removed = [system_metadata.remove(instance, _PREFIX + field)
               for field in _FIELDS]
    if any(removed):
        instance.save()


def _fresh(context: nova_context.RequestContext,
           name: str) -> objects.Instance:
    # What nova-compute has in its hands is older, and saved at other times.
    return objects.Instance.get_by_uuid(context, name,
                                        expected_attrs=['system_metadata'])
