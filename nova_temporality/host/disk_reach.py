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

"""Whether the storage of disks answers."""

from __future__ import annotations

from collections import abc
import contextlib
import mmap
import os
import stat

# To which O_DIRECT is aligned everywhere.
_BLOCK = 4096


def touch(paths: abc.Iterable[str]) -> None:
    """Read a block of each disk; takes as long as storage takes to answer.

    Past the page cache, which answers also for storage that is gone. An error
    is an answer; so is that a disk is not there, or is none.

    :param paths: not trusted; opening some files would have effects
    """
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            kind = os.stat(path).st_mode
            if stat.S_ISREG(kind) or stat.S_ISBLK(kind):
                _read(path)


def _read(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK |
                 os.O_DIRECT)
    try:
        with mmap.mmap(-1, _BLOCK) as room:
            os.preadv(fd, [room], 0)
    finally:
        os.close(fd)
