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

"""The generation ID of a pVM: which of its runs a guest is in.

A guest that finds another one than before (Linux and Windows do look) knows
that it was put back in time, or copied, and gives up what must be unique, like
seeds of random numbers (ACPI device VMGENID; QEMU: docs/specs/vmgenid).

It is the same for all the server's life, whatever power does, but for each
*fork*: when a snapshot is loaded. It must never come back to an earlier one.
"""

from __future__ import annotations

import uuid

from nova import objects

from nova_temporality.spec import system_metadata

_FORKED = 'genid'


def of(instance: objects.Instance) -> str:
    """Return a server's present generation ID."""
    return system_metadata.get(instance, _FORKED) or instance.uuid


def record(instance: objects.Instance, genid: str) -> None:
    """Keep a server's new generation ID (not saved here)."""
    system_metadata.put(instance, _FORKED, genid)


def new() -> str:
    """Return one that no guest has ever had."""
    return str(uuid.uuid4())
