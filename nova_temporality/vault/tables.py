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

"""Page tables of servers whose QEMUs stand still, and whose pagers may not.

The pager goes on for a while after the vCPUs have stopped, to make room. So
frames and table belong together only if the table, which also counts all that
the pager does, is the same before and after they were read.
"""

from collections import abc
import os
import time

from nova_temporality.vault import data
from nova_temporality.vpm import sums

_PIECE = 4 << 20
# Seconds in which a pager that does something does more, and how often it is
# looked at until it counts as one that never ends.
_QUIET_SECONDS = 0.02
_LOOKS = 500


class Busy(Exception):
    """A pager goes on and on; str() says so."""


def sums_when_quiet(directory: str, part: data.Part,
                    check: abc.Callable[[], object]) -> bytes:
    """Checksums of a page table, once the pager has nothing to do.

    :param directory: of the region
    :param part: the page table
    :param check: called now and then; raises what ends the waiting
    :raises Busy: it does not come to an end
    """
    now = sums_now(directory, part)
    for _look in range(_LOOKS):
        check()
        time.sleep(_QUIET_SECONDS)
        before, now = now, sums_now(directory, part)
        if now == before:
            return now
    raise Busy('its pager is still busy although its vCPUs have stopped')


def sums_now(directory: str, part: data.Part) -> bytes:
    """Checksums of a page table as it is."""
    made = bytearray()
    # It may belong to a server's user id, whose lease could have us wait.
    fd = os.open(os.path.join(directory, part.name), os.O_RDONLY |
                 os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, 'rb') as table:
        for at in range(0, part.size, _PIECE):
            piece = table.read(_PIECE)
            made += sums.of(0, at, piece + bytes(-len(piece) % 8))
    return bytes(made)
