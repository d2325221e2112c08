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

"""libvpm for Python: named, crash-safe memory regions in NVRAM.

The behaviour of every call is described in native/include/vpm.h. Sizes are
bytes, times are nanoseconds. All calls release the GIL and may be made from
any thread. A failed call raises a subclass of VpmError whose message says
what was found, where, and what to do.
"""

from nova_temporality.vpm.errors import AlreadyExists
from nova_temporality.vpm.errors import AlreadyFixated
from nova_temporality.vpm.errors import DeadlineExceeded
from nova_temporality.vpm.errors import EngineAway
from nova_temporality.vpm.errors import ForeignPool
from nova_temporality.vpm.errors import IdCollision
from nova_temporality.vpm.errors import InvalidArgument
from nova_temporality.vpm.errors import NewerVersion
from nova_temporality.vpm.errors import NotFound
from nova_temporality.vpm.errors import PoolCorrupt
from nova_temporality.vpm.errors import PoolFull
from nova_temporality.vpm.errors import SystemCallFailed
from nova_temporality.vpm.errors import Unproven
from nova_temporality.vpm.errors import VaultUnavailable
from nova_temporality.vpm.errors import VpmError
from nova_temporality.vpm.errors import WrongMedium
from nova_temporality.vpm.fixation import Fixation
from nova_temporality.vpm.fixation import FixationMeta
from nova_temporality.vpm.handles import NAME_MAX
from nova_temporality.vpm.pool import check
from nova_temporality.vpm.pool import DEFAULT_DESCRIPTORS
from nova_temporality.vpm.pool import DEFAULT_PAGE_SIZE
from nova_temporality.vpm.pool import DEFAULT_STATE_SIZE
from nova_temporality.vpm.pool import DEFAULT_UID_BASE
from nova_temporality.vpm.pool import MEDIA
from nova_temporality.vpm.pool import PAUSE_MAX_NS
from nova_temporality.vpm.pool import POLICIES
from nova_temporality.vpm.pool import Pool
from nova_temporality.vpm.pool import PoolInfo
from nova_temporality.vpm.pool import PRELOAD_PATH
from nova_temporality.vpm.pool import PRELOAD_VARIABLE
from nova_temporality.vpm.pool import region_id
from nova_temporality.vpm.pool import RegionExport
from nova_temporality.vpm.pool import RegionInfo
from nova_temporality.vpm.pool import RegionStats
from nova_temporality.vpm.pool import StateInfo
from nova_temporality.vpm.pool import WRITES_VARIABLE

__all__ = [
    'AlreadyExists',
    'AlreadyFixated',
    'check',
    'DeadlineExceeded',
    'DEFAULT_DESCRIPTORS',
    'DEFAULT_PAGE_SIZE',
    'DEFAULT_STATE_SIZE',
    'DEFAULT_UID_BASE',
    'EngineAway',
    'Fixation',
    'FixationMeta',
    'ForeignPool',
    'IdCollision',
    'InvalidArgument',
    'MEDIA',
    'NAME_MAX',
    'NewerVersion',
    'NotFound',
    'PAUSE_MAX_NS',
    'POLICIES',
    'Pool',
    'PoolCorrupt',
    'PoolFull',
    'PoolInfo',
    'PRELOAD_PATH',
    'PRELOAD_VARIABLE',
    'region_id',
    'RegionExport',
    'RegionInfo',
    'RegionStats',
    'StateInfo',
    'SystemCallFailed',
    'Unproven',
    'VaultUnavailable',
    'VpmError',
    'WRITES_VARIABLE',
    'WrongMedium',
]
