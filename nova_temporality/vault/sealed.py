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

"""Files of the vault that prove themselves: as a whole, or not at all.

Magic, length of the description, the description in JSON, bytes that belong
to it, and a checksum of all that.
"""

from collections import abc
import hashlib
import json
import os
from typing import Any

from nova_temporality.host import durable

_MAGIC = b'TPVAULT\n'
_FORMAT = 1
_LENGTH = 8
_DIGEST = 32


class Damaged(Exception):
    """A file of the vault does not prove itself; str() says why."""


def write(path: str, kind: str, fields: abc.Mapping[str, Any],
          extra: bytes = b'') -> None:
    """Make or replace a file, durably, as a whole or not at all.

    :param kind: of file; one that is read as another is damaged
    :param extra: bytes that belong to the fields
    """
    head = json.dumps({'format': _FORMAT, 'kind': kind, 'fields': fields},
                      sort_keys=True).encode()
    body = _MAGIC + len(head).to_bytes(_LENGTH, 'little') + head + extra
    durable.write(path, body + _digest(body))


def read(path: str, kind: str) -> tuple[dict[str, Any], bytes]:
    """Return the fields of a file, and what belongs to them.

    :raises Damaged: it does not prove itself
    :raises FileNotFoundError: there is none
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, 'rb') as stream:
            data = stream.read()
    except FileNotFoundError:
        raise
    except OSError as e:
        raise Damaged('%s cannot be read: %s' % (path, e))
    start = len(_MAGIC) + _LENGTH
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if len(body) < start or body[:len(_MAGIC)] != _MAGIC or (
            _digest(body) != digest):
        raise Damaged('%s is damaged, or was not written to its end' % path)
    end = start + int.from_bytes(body[len(_MAGIC):start], 'little')
    whole = json.loads(body[start:end])
    if whole['format'] != _FORMAT or whole['kind'] != kind:
        raise Damaged('%s is "%s" of format %s; "%s" of format %d is needed' %
                      (path, whole['kind'], whole['format'], kind, _FORMAT))
    return whole['fields'], body[end:]


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()
