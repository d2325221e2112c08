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

"""Checksums tell whose a chunk is, of when, and where."""

from nova_temporality.vpm import sums


def test_all_that_they_bind():
    data = bytes(range(256)) * 256
    one = sums.of(1, 0, data)
    assert len(one) == sums.SIZE
    assert one == sums.of(1, 0, bytearray(data))
    assert len({one, sums.of(2, 0, data), sums.of(1, 65536, data),
                sums.of(1, 0, data[:-8]), sums.of(1, 0, b'x' + data[1:])}) == 5


def test_chunks():
    data = bytes(65536) + b'x' * 65536 + bytes(4096)
    made = sums.of(1, 0, data)
    assert made[:8] == made[16:] == sums.ZERO
    assert made[8:16] == sums.of(1, 65536, b'x' * 65536) != sums.ZERO
    digests = sums.digests(data)
    assert digests[:8] == digests[16:] == sums.ZERO
    assert sums.bound(1, 0, digests) == made
    assert digests[8:16] == sums.digests(b'x' * 65536)
