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

"""What a server was before its recovery failed for the first time.

It is in ERROR since. Confirm, revert, unrescue and unpause need the state of
before once it is back.
"""

from __future__ import annotations

from nova.compute import task_states
from nova.compute import vm_states
from nova import objects

from nova_temporality.spec import system_metadata

_NOTE = 'former_vm_state'


def remember(instance: objects.Instance) -> None:
    """Keep a server's vm_state before it becomes ERROR (not saved here)."""
    if instance.vm_state != vm_states.ERROR:
        system_metadata.put(
            instance, _NOTE,
            vm_states.ACTIVE if is_being_resumed(instance)
            else instance.vm_state)


def is_remembered(instance: objects.Instance) -> bool:
    """Whether a server is in ERROR because its recovery failed."""
    return instance.vm_state == vm_states.ERROR and (
        system_metadata.get(instance, _NOTE) is not None)


def vm_state(instance: objects.Instance) -> str:
    """The vm_state that a server has when it is back."""
    if is_being_resumed(instance):
        return vm_states.ACTIVE
    if instance.vm_state != vm_states.ERROR:
        # Never failed, or somebody has reset its state since.
        return instance.vm_state
    return system_metadata.get(instance, _NOTE) or vm_states.ACTIVE


def forget(instance: objects.Instance) -> None:
    """The server is back (not saved here)."""
    system_metadata.remove(instance, _NOTE)


def is_being_resumed(instance: objects.Instance) -> bool:
    """Whether its tenant is resuming a server from a suspension."""
    return (instance.vm_state == vm_states.SUSPENDED and
            instance.task_state == task_states.RESUMING)


def is_being_started(instance: objects.Instance) -> bool:
    """Whether its start is not recorded yet: it may have run already."""
    return (instance.vm_state == vm_states.STOPPED and
            instance.task_state == task_states.POWERING_ON)
