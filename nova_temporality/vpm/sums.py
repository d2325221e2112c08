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

"""Checksums of what lies in the vault (see vpm_vault_digests)."""

from typing import Any

from nova_temporality.vpm import handles

_ffi = handles.ffi
_lib = handles.lib

CHUNK: int = _lib.VPM_VAULT_CHUNK
SIZE = 8
# Digest and checksum of a chunk that is all zero.
ZERO = bytes(SIZE)


def digests(data: Any) -> bytes:
    """Digests of all chunks of a buffer, SIZE bytes each.

    :param data: a buffer of a multiple of 8 bytes
    """
    source = _ffi.from_buffer('uint8_t[]', data)
    made = _ffi.new('uint64_t[]', -(-len(source) // CHUNK))
    _lib.vpm_vault_digests(source, len(source), made)
    return bytes(_ffi.buffer(made))


def bound(seed: int, at: int, digests: bytes) -> bytes:
    """Checksums of chunks, SIZE bytes each, of their digests.

    :param seed: says whose they are, and of when
    :param at: offset of the first one in what the vault has of the region
    """
    count = len(digests) // SIZE
    made = _ffi.new('uint64_t[]', count)
    _lib.vpm_vault_sums(seed, at, _ffi.from_buffer('uint64_t[]', digests),
                        count, made)
    return bytes(_ffi.buffer(made))


def of(seed: int, at: int, data: Any) -> bytes:
    """Checksums of all chunks of a buffer; see bound() and digests()."""
    return bound(seed, at, digests(data))
