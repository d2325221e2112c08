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

"""Whatever is changed in a vault: no wrong byte is ever proven."""

import os

import hypothesis
from hypothesis import strategies

from nova_temporality.vault import place
from nova_temporality import vpm
from tests.framework import vaults


def files(vault):
    return sorted(os.path.join(directory, name)
                  for directory, _names, found in os.walk(vault)
                  for name in found)


@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=[
    hypothesis.HealthCheck.too_slow])
@hypothesis.given(strategies.data())
def test_any_byte_is_flipped(draw):
    with vaults.directories() as made:
        host = vaults.VaultedHost(*made)
        region = host.server(is_paged=draw.draw(strategies.booleans()))
        memory = host.memory(region)
        host.write()
        host.lose_dram()
        path = draw.draw(strategies.sampled_from(files(host.vault)))
        with open(path, 'r+b') as file:
            content = file.read()
            at = draw.draw(strategies.integers(0, len(content) - 1))
            file.seek(at)
            file.write(bytes([content[at] ^ draw.draw(
                strategies.integers(1, 255))]))
        try:
            host.restore()
        except place.VaultError:
            # Nobody knows which pool it was: nothing is made.
            assert path == os.path.join(host.vault, 'vault')
            return
        try:
            if host.is_proven():
                assert host.memory(host.pool.lookup('pvm')) == memory
                assert path.endswith(('.data', '/manifest'))
        except vpm.NotFound:
            assert os.path.dirname(path).endswith('records')
        host.pool.close()
