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

"""Dataclasses as plain data, which is all that goes over privsep's socket.

So what returns one has two parts: an entry point that returns of() it, and a
function that makes it again on the other side.
"""

from collections import abc
import dataclasses
from typing import Any
import uuid

from nova_temporality import vpm


def of(info: vpm.PoolInfo | vpm.RegionInfo | vpm.StateInfo) -> dict[str, Any]:
    """Return one as plain data."""
    fields = dataclasses.asdict(info)
    if isinstance(info, vpm.PoolInfo):
        fields['uuid'] = str(info.uuid)
    return fields


def pool_info(fields: abc.Mapping[str, Any]) -> vpm.PoolInfo:
    """Make it again of what of() returned."""
    return vpm.PoolInfo(**dict(fields, uuid=uuid.UUID(fields['uuid'])))


def region_info(fields: abc.Mapping[str, Any]) -> vpm.RegionInfo:
    """Make it again of what of() returned."""
    return vpm.RegionInfo(**fields)


def state_info(fields: abc.Mapping[str, Any]) -> vpm.StateInfo:
    """Make it again of what of() returned."""
    return vpm.StateInfo(
        **dict(fields, meta=vpm.FixationMeta(**fields['meta'])))
