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

"""Making a new pool that has a vault."""

import dataclasses
import uuid

from nova_temporality.vault import place
from nova_temporality import vpm


def create(pool_path: str, vault: str, *, total_size: int, state_size: int,
           page_size: int, descriptors: int, uid_base: int) -> vpm.Pool:
    """Format a pool on tmpfs that has a vault; for parameters see vpm.Pool.

    The vault names the pool first: what is cut off after that can be restored
    as an empty pool.

    :raises place.VaultError: the directory cannot be a vault
    :raises vpm.VpmError: the pool cannot be made; then the vault is none
    """
    vault = place.prepare(vault, pool_path,
                          total_size + state_size * descriptors)
    parameters = place.Parameters(
        str(uuid.uuid4()), total_size, state_size, page_size, descriptors,
        uid_base)
    place.name_pool(vault, parameters)
    try:
        return make(pool_path, vault, parameters)
    except vpm.VpmError:
        place.forget_pool(vault)
        raise


def make(pool_path: str, vault: str, parameters: place.Parameters
         ) -> vpm.Pool:
    """Format the pool that a vault names; open it.

    :raises vpm.VpmError: that is not possible
    """
    return vpm.Pool.create(
        pool_path, media=['tmpfs'], vault=vault,
        **dict(dataclasses.asdict(parameters),
               uuid=uuid.UUID(parameters.uuid)))
