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

"""Why pVMs were not restored from the vault, for who asks for their states."""

from nova_temporality.host import durable
from nova_temporality.host import paths
from nova_temporality.host import state_notes
from nova_temporality import vpm


def take(pool_path: str, region: vpm.RegionInfo, why: str) -> None:
    """Note why, until the region is in another epoch."""
    state_notes.write(paths.vault_loss(pool_path, region.name), region,
                      region.epoch, {'why': why})


def reason(pool_path: str, region: vpm.RegionInfo) -> str | None:
    """Why a pVM was not restored; None if it was, or has run since."""
    return state_notes.read(paths.vault_loss(pool_path, region.name), region,
                            region.epoch, lambda note: str(note['why']))


def forget(pool_path: str, name: str) -> None:
    """Remove a pVM's note; harmless when there is none."""
    durable.remove(paths.vault_loss(pool_path, name))
