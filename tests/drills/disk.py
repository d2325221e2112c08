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

"""A disk that loses at a power cut what was not flushed.

QEMU logs all writes and flushes of a server (format: Linux'
Documentation/admin-guide/device-mapper/log-writes.rst). At the cut the log is
replayed up to the last flush; of what comes after, each write is lost or not.
"""

import os
import pathlib
import random
import struct

from tests.framework import native_build

_SUPER = struct.Struct('<QQQI')
_MAGIC = 0x6a736677736872
_SECTOR = 512
_ENTRY = struct.Struct('<QQQQ')
_FLUSH, _FUA, _DISCARD = 1, 2, 4


class Disk:
    """The disk of a server.

    :param image: a raw image
    """

    def __init__(self, image: pathlib.Path) -> None:
        self._image = image
        self._former = image.with_suffix('.former')
        self._log = image.with_suffix('.log')
        self._begin()

    def node(self) -> dict[str, object]:
        """What QEMU opens."""
        return {'driver': 'blklogwrites',
                'file': {'driver': 'file', 'filename': str(self._image)},
                'log': {'driver': 'file', 'filename': str(self._log)}}

    def cut(self, chance: random.Random) -> tuple[int, int]:
        """Lose what was not flushed; nobody has the disk open.

        :returns: the numbers of writes that were durable, and that were lost
        """
        writes = list(self._writes())
        durable = 1 + max((at for at, (_, _, flags) in enumerate(writes)
                           if flags & (_FLUSH | _FUA)), default=-1)
        lost = 0
        with self._former.open('r+b') as disk:
            for at, (offset, data, _) in enumerate(writes):
                if at >= durable and chance.random() < 0.5:
                    lost += 1
                    continue
                disk.seek(offset)
                disk.write(data)
        os.replace(self._former, self._image)
        self._begin()
        return durable, lost

    def _begin(self) -> None:
        # It keeps holes.
        native_build.run(['cp', self._image, self._former])
        self._log.write_bytes(b'')

    def _writes(self):
        """Offset, data and flags of each entry that is complete."""
        with self._log.open('rb') as log:
            head = log.read(_SUPER.size)
            if len(head) < _SUPER.size:
                return
            magic, _version, _number, sector = _SUPER.unpack(head)
            # The super block comes with the first flush, and counts only what
            # was flushed.
            assert magic in (0, _MAGIC), 'no log of writes'
            sector = sector or _SECTOR
            end = os.fstat(log.fileno()).st_size
            at = sector
            while at + sector <= end:
                log.seek(at)
                first, count, flags, _length = _ENTRY.unpack(
                    log.read(_ENTRY.size))
                size = count * sector
                if not first | count | flags or at + sector + size > end:
                    return
                log.seek(at + sector)
                if flags & _DISCARD:
                    yield first * sector, bytes(size), flags
                    at += sector
                    continue
                yield first * sector, log.read(size), flags
                at += sector + size
