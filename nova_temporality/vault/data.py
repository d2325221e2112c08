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

"""What the vault has of one server: large pieces, by several threads.

Each of a region's files has its place in the data file. A chunk that is all
zero is not written, and reads as zero.
"""

from collections import abc
import concurrent.futures
import contextlib
import dataclasses
import errno
import hashlib
import json
import mmap
import os
import threading

from nova_temporality import vpm
from nova_temporality.vpm import sums

# Memory of a file system that is read or written at once, a multiple of a
# chunk; and how many at a time keep a disk busy, or the processors, where most
# is there already.
PIECE = 4 << 20
_THREADS = max(4, min(16, os.cpu_count() or 1))
# Each part begins at a multiple of this.
BLOCK = 4096


@dataclasses.dataclass(frozen=True)
class Part:
    """One of a region's files.

    :ivar at: where it is in the data file
    """

    name: str
    size: int
    at: int


class Torn(Exception):
    """A chunk is not what was written; str() says which."""


def parts(region: vpm.RegionInfo) -> list[Part]:
    """The files of a region that go to the vault, the state last."""
    found: list[Part] = []
    at = 0
    for name in ('ram', *(['ppt'] if region.is_vpm else []), 'state'):
        size = os.lstat(os.path.join(region.directory, name)).st_size
        found.append(Part(name, size, at))
        at += -(-size // BLOCK) * BLOCK
    return found


def seed(*whose: object) -> int:
    """A number that binds checksums to a server, and to one state of it."""
    return int.from_bytes(hashlib.blake2b(
        json.dumps(whose).encode(), digest_size=8).digest(), 'little')


def none_of(part: Part) -> bytearray:
    """Digests, or checksums, of a file that is all zero."""
    return bytearray(-(-part.size // sums.CHUNK) * sums.SIZE)


class There:
    """What a data file has of one of a region's files, by digests."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._known = none_of(part)

    def known(self, offset: int, now: bytes) -> list[bytes]:
        """What is there of the chunks of a piece; sums.ZERO: nothing.

        :param now: digests of the piece as it is now
        """
        return each(self._known[slots(offset, len(now))])

    def differ(self, offset: int, now: bytes) -> list[bool]:
        """Which chunks of a piece are not there as they are now."""
        return [one not in (sums.ZERO, other) for one, other in zip(
            each(now), self.known(offset, now))]

    def write(self, fd: int, offset: int, piece: memoryview, now: bytes,
              wanted: abc.Sequence[bool]) -> int:
        """Write some chunks of a piece; return how many bytes that were.

        After an error nothing is known of them.

        :param wanted: which
        """
        before = self.known(offset, now)
        where = slots(offset, len(now))
        self._known[where] = b''.join(
            sums.ZERO if is_written else other
            for other, is_written in zip(before, wanted))
        written = 0
        for begin, end in _runs(wanted, len(piece)):
            _write_all(fd, self.part.at + offset + begin, piece[begin:end])
            written += end - begin
        self._known[where] = b''.join(
            one if is_written else other for one, other, is_written in zip(
                each(now), before, wanted))
        return written


def write(path: str, directory: str, part: Part, number: int,
          check: abc.Callable[[], object] = lambda: None,
          there: There | None = None) -> tuple[bytes, int]:
    """Write one of a region's files to the vault; durable on return.

    :param path: of the data file
    :param directory: of the region
    :param number: what seed() made
    :param check: called now and then by any thread; raises what ends it
    :param there: what the data file has already, and has afterwards
    :returns: checksums of its chunks, and how many bytes were written
    """
    made = none_of(part)
    there = there or There(part)
    with opened(path, directory, part, os.O_CREAT) as (source, target):

        def copy(offset: int, buffer: memoryview) -> int:
            check()
            piece = fill(source, part, offset, buffer)
            now = sums.digests(piece)
            made[slots(offset, len(now))] = sums.bound(
                number, part.at + offset, now)
            return there.write(target, offset, piece, now,
                               there.differ(offset, now))

        written = _each(copy, with_data(source, part.size))
        os.fdatasync(target)
    return bytes(made), written


@contextlib.contextmanager
def opened(path: str, directory: str, part: Part, flags: int = 0
           ) -> abc.Iterator[tuple[int, int]]:
    """One of a region's files, to be read, and the data file, to be written.

    :param flags: of open(2), for the data file
    :raises OSError: its size is not the part's, or it has a lease
    """
    # It may belong to a server's user id, whose lease could have us wait.
    with _opened(os.path.join(directory, part.name),
                 os.O_RDONLY | os.O_NONBLOCK) as source, \
            _opened(path, os.O_WRONLY | flags, direct=True) as target:
        if os.fstat(source).st_size != part.size:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), part.name)
        yield source, target


def slots(offset: int, length: int) -> slice:
    """Where a piece's digests, or checksums, are among those of its file.

    :param length: of them
    """
    first = offset // sums.CHUNK * sums.SIZE
    return slice(first, first + length)


def each(some: bytes | bytearray) -> list[bytes]:
    """The digest, or checksum, of each chunk."""
    return [bytes(some[at:at + sums.SIZE])
            for at in range(0, len(some), sums.SIZE)]


def read(path: str, directory: str, part: Part, number: int,
         wanted: bytes) -> None:
    """Put one of a region's files back into an empty one.

    :param path: of the data file
    :param directory: of the region
    :param number: what seed() made
    :param wanted: checksums of its chunks
    :raises Torn: a chunk has another one
    """
    if len(wanted) != len(none_of(part)):
        raise Torn('%s has %d checksums instead of %d' % (
            part.name, len(wanted) // sums.SIZE,
            len(none_of(part)) // sums.SIZE))
    with _opened(path, os.O_RDONLY, direct=True) as source, \
            _opened(os.path.join(directory, part.name),
                    os.O_WRONLY | os.O_NONBLOCK) as target:

        def copy(offset: int, buffer: memoryview) -> int:
            length = min(PIECE, _padded(part) - offset)
            expected = wanted[slots(offset, -(-length // sums.CHUNK) *
                                    sums.SIZE)]
            for begin, end in _runs([one != sums.ZERO
                                     for one in each(expected)], length):
                view = buffer[begin:end]
                _read_all(source, part.at + offset + begin, view)
                found = sums.of(number, part.at + offset + begin, view)
                if found != expected[begin // sums.CHUNK * sums.SIZE:][
                        :len(found)]:
                    raise Torn('%s is torn or foreign within the %d bytes at '
                               'offset %d' % (part.name, end - begin,
                                              offset + begin))
                _write_all(target, offset + begin,
                           view[:part.size - offset - begin])
            return length

        _each(copy, range(0, part.size, PIECE))


def _padded(part: Part) -> int:
    return -(-part.size // BLOCK) * BLOCK


@contextlib.contextmanager
def _opened(path: str, flags: int, direct: bool = False) -> abc.Iterator[int]:
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags | (os.O_DIRECT if direct else 0), 0o600)
    except OSError as e:
        # Not every file system has it.
        if not direct or e.errno != errno.EINVAL:
            raise
        fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def with_data(fd: int, size: int) -> list[int]:
    """Offsets of the pieces of a file that are more than holes."""
    found: list[int] = []
    end = 0
    while end < size:
        try:
            start = max(os.lseek(fd, end, os.SEEK_DATA), end)
        except OSError as e:
            if e.errno == errno.ENXIO:
                break
            raise
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        found += range(start // PIECE * PIECE, end, PIECE)
    return sorted(set(found))


def new_buffer() -> memoryview:
    """Memory for a piece, aligned as O_DIRECT needs it."""
    return memoryview(mmap.mmap(-1, PIECE))


def _each(copy: abc.Callable[[int, memoryview], int],
          offsets: abc.Iterable[int]) -> int:
    """Call a function for all offsets, each thread with its own buffer.

    :returns: the sum of what it returns
    """
    local = threading.local()
    stop = threading.Event()

    def one(offset: int) -> int:
        if stop.is_set():
            return 0
        try:
            if not hasattr(local, 'buffer'):
                local.buffer = new_buffer()
            return copy(offset, local.buffer)
        except BaseException:
            stop.set()
            raise

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as executor:
        return sum([future.result() for future in [
            executor.submit(one, offset) for offset in offsets]])


def _runs(wanted: abc.Sequence[bool], length: int
          ) -> abc.Iterator[tuple[int, int]]:
    """Where the chunks are, of a piece, that are wanted."""
    begin = None
    for at in range(0, length, sums.CHUNK):
        if not wanted[at // sums.CHUNK]:
            if begin is not None:
                yield begin, at
            begin = None
        elif begin is None:
            begin = at
    if begin is not None:
        yield begin, length


def fill(fd: int, part: Part, offset: int, buffer: memoryview) -> memoryview:
    """Read a piece; its end is filled up with zeros to a whole block.

    Whoever makes the file longer meanwhile has no more of it read; what was
    cut off is missing.
    """
    # What follows in the data file belongs to another part.
    buffer = buffer[:_padded(part) - offset]
    done = 0
    while done < len(buffer):
        got = os.preadv(fd, [buffer[done:]], offset + done)
        if got == 0:
            break
        done += got
    length = -(-done // BLOCK) * BLOCK
    buffer[done:length] = bytes(length - done)
    return buffer[:length]


def _read_all(fd: int, offset: int, buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):
        got = os.preadv(fd, [buffer[done:]], offset + done)
        if got == 0:
            raise Torn('the data file ends at offset %d' % (offset + done))
        done += got


def _write_all(fd: int, offset: int, data: memoryview) -> None:
    done = 0
    while done < len(data):
        done += os.pwritev(fd, [data[done:]], offset + done)
