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

"""Checksums of what lies in the vault (see vpm_vault_sums)."""

from typing import Any

from nova_temporality.vpm import handles

_ffi = handles.ffi
_lib = handles.lib

CHUNK: int = _lib.VPM_VAULT_CHUNK
SIZE = 8
# Of a chunk that is all zero.
ZERO = bytes(SIZE)


def of(seed: int, at: int, data: Any) -> bytes:
    """Checksums of all chunks of a buffer, SIZE bytes each.

    :param seed: says whose they are, and of when
    :param at: offset of the data in what the vault has of the region
    :param data: a buffer of a multiple of 8 bytes
    """
    source = _ffi.from_buffer('uint8_t[]', data)
    made = _ffi.new('uint64_t[]', -(-len(source) // CHUNK))
    _lib.vpm_vault_sums(seed, at, source, len(source), made)
    return bytes(_ffi.buffer(made))
