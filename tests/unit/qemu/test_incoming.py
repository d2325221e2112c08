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


"""A state is loaded into a QEMU, or the reason is told in time."""

import socket
import time

import pytest

from nova_temporality.qemu import incoming
from nova_temporality import vpm
from tests.framework import pools


@pytest.fixture
def pool(tmp_path):
    with vpm.Pool.create(tmp_path / 'pool', total_size=1 << 20,
                         state_size=1 << 20, uid_base=0) as made:
        yield made


def test_a_qemu_that_stops_reading_is_not_waited_for(pool):
    region = pool.alloc('pvm', 4096)
    pools.fixate(pool, region.id, b'S' * 60000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # More than it takes, so that it would wait.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with pytest.raises(incoming.RecoveryError, match='hangs while'):
            incoming._send(pool, region, ours, time.monotonic() + 0.05)
