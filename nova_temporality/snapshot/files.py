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

"""Copying large files.

Copies are sparse, so that what is zero needs no space. A *clone* shares the
blocks of its original until one of them is written (reflink: ioctl_ficlone(2),
on XFS and btrfs).
"""

from collections import abc
import errno
import fcntl
import hashlib
import io
import os
import struct
import tempfile

from nova_temporality.host import blocks
from nova_temporality.snapshot import error
from nova_temporality.snapshot import plain_files
from nova_temporality.snapshot import space

# linux/fs.h
_FICLONE = 0x40049409
_FICLONERANGE = 0x4020940d
_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)

# Called now and then while something is copied; raises what ends that.
Check = abc.Callable[[], None]

# The file system cannot, or the files are on two.
_NO_CLONE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL,
             errno.ENOSYS)


def create(path: str) -> io.FileIO:
    """Open a new file that only its owner can read."""
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL |
                        os.O_CLOEXEC, 0o600), 'wb', buffering=0)


def go_on() -> None:
    """The Check that ends nothing."""


def copy(source: str, target: str, clone: bool = False,
         check: Check = go_on, uid: int | None = None,
         at_most: int | None = None) -> bool:
    """Copy a file to a new one that only its owner can read.

    It is not durable yet.

    :param clone: whether to share blocks where that is possible
    :param check: called now and then; raises what ends the copying
    :param uid, at_most: see plain_files.open_plain()
    :returns: whether blocks are shared
    :raises SnapshotError: it is no such file, or changes meanwhile, or fills
                           the file system
    """
    with plain_files.open_plain(source, uid=uid, at_most=at_most) as old, (
            create(target)) as new:
        if clone and _cloned(old, new):
            return True

        def check_both() -> None:
            check()
            space.check_left(new.fileno())

        os.ftruncate(new.fileno(), os.fstat(old.fileno()).st_size)
        write_data(old, new, source, check=check_both)
    return False


def room_needed(source: str, directory: str) -> int:
    """Bytes that a clone of a file takes in a directory at most.

    Nothing if it can share blocks, which is tried with the first one.

    :raises SnapshotError: it is no plain file
    """
    with plain_files.open_plain(source) as old, (
            tempfile.TemporaryFile(dir=directory)) as new:
        status = os.fstat(old.fileno())
        block = status.st_blksize if status.st_size > status.st_blksize else 0
        try:
            fcntl.ioctl(new, _FICLONERANGE,
                        struct.pack('=qQQQ', old.fileno(), 0, block, 0))
        except OSError as exc:
            if exc.errno not in _NO_CLONE:
                raise
            return min(status.st_size, blocks.allocated(status))
    return 0


def _cloned(old: io.FileIO, new: io.FileIO) -> bool:
    try:
        fcntl.ioctl(new, _FICLONE, old.fileno())
    except OSError as exc:
        if exc.errno in _NO_CLONE:
            return False
        raise
    return True


def write_data(old: io.FileIO, new: io.FileIO, source: str, start: int = 0,
               check: Check = go_on) -> None:
    """Write what is not zero in one open file into another one that is zero.

    :param source: path of the former
    :param start: offset before which nothing is written
    :param check: see copy()
    :raises SnapshotError: it gets another size meanwhile
    """
    size = os.fstat(old.fileno()).st_size
    for offset, length in _data(old.fileno(), start, size):
        end = offset + length
        while offset < end:
            check()
            chunk = os.pread(old.fileno(), min(_CHUNK, end - offset), offset)
            if not chunk:
                break
            if not _ZEROS.startswith(chunk):
                write_all(new.fileno(), chunk, offset)
            offset += len(chunk)
    _check_size(old, size, source)


def _check_size(opened: io.FileIO, size: int, path: str) -> None:
    now = os.fstat(opened.fileno()).st_size
    if now != size:
        raise error.SnapshotError(
            'the size of %s changed from %d to %d bytes meanwhile' %
            (path, size, now))


def _data(fd: int, offset: int, size: int) -> abc.Iterator[tuple[int, int]]:
    """Ranges that are not holes, see lseek(2): (offset, length).

    :param size: bytes of the file that count
    """
    while offset < size:
        try:
            offset = os.lseek(fd, offset, os.SEEK_DATA)
            end = min(os.lseek(fd, offset, os.SEEK_HOLE), size)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # there is no more of it
                return
            raise
        if offset < end:
            yield offset, end - offset
        offset = end


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write data at an offset, all of it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def digest(path: str, at_most: int | None = None) -> str:
    """The SHA-256 of a file's contents, in hex.

    :param at_most: see plain_files.open_plain()
    :raises SnapshotError: it is no plain file, or gets another size meanwhile
    :raises FileNotFoundError: it is not there
    """
    found = hashlib.sha256()
    # Operators may have moved it, with a link in its place.
    with plain_files.open_plain(os.path.realpath(path),
                                at_most=at_most) as opened:
        size = os.fstat(opened.fileno()).st_size
        for offset in range(0, size, _CHUNK):
            found.update(os.pread(opened.fileno(),
                                  min(_CHUNK, size - offset), offset))
        _check_size(opened, size, path)
    return found.hexdigest()
