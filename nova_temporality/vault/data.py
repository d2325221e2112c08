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
# chunk; and how many at a time keep a disk busy.
_PIECE = 4 << 20
_THREADS = 4
_BLOCK = 4096


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
        at += -(-size // _BLOCK) * _BLOCK
    return found


def seed(*whose: object) -> int:
    """A number that binds checksums to a server, and to one state of it."""
    return int.from_bytes(hashlib.blake2b(
        json.dumps(whose).encode(), digest_size=8).digest(), 'little')


def write(path: str, directory: str, part: Part, number: int,
          check: abc.Callable[[], object] = lambda: None) -> bytes:
    """Write one of a region's files to the vault; durable on return.

    :param path: of the data file
    :param directory: of the region
    :param number: what seed() made
    :param check: called now and then by any thread; raises what ends it
    :returns: checksums of its chunks
    """
    made = bytearray(_count(part) * sums.SIZE)
    # It may belong to a server's user id, whose lease could have us wait.
    with _opened(os.path.join(directory, part.name),
                 os.O_RDONLY | os.O_NONBLOCK) as source, \
            _opened(path, os.O_WRONLY | os.O_CREAT, direct=True) as target:
        if os.fstat(source).st_size != part.size:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), part.name)

        def copy(offset: int, buffer: memoryview) -> None:
            check()
            length = _fill(source, offset, buffer)
            some = sums.of(number, part.at + offset, buffer[:length])
            first = offset // sums.CHUNK * sums.SIZE
            made[first:first + len(some)] = some
            for begin, end in _runs(some, length):
                _write_all(target, part.at + offset + begin,
                           buffer[begin:end])

        _each(copy, _with_data(source, part.size))
        os.fdatasync(target)
    return bytes(made)


def read(path: str, directory: str, part: Part, number: int,
         wanted: bytes) -> None:
    """Put one of a region's files back into an empty one.

    :param path: of the data file
    :param directory: of the region
    :param number: what seed() made
    :param wanted: checksums of its chunks
    :raises Torn: a chunk has another one
    """
    if len(wanted) != _count(part) * sums.SIZE:
        raise Torn('%s has %d checksums instead of %d' % (
            part.name, len(wanted) // sums.SIZE, _count(part)))
    with _opened(path, os.O_RDONLY, direct=True) as source, \
            _opened(os.path.join(directory, part.name),
                    os.O_WRONLY | os.O_NONBLOCK) as target:

        def copy(offset: int, buffer: memoryview) -> None:
            length = min(_PIECE, _padded(part) - offset)
            first = offset // sums.CHUNK * sums.SIZE
            expected = wanted[first:first + -(-length // sums.CHUNK) *
                              sums.SIZE]
            for begin, end in _runs(expected, length):
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

        _each(copy, range(0, part.size, _PIECE))


def _padded(part: Part) -> int:
    return -(-part.size // _BLOCK) * _BLOCK


def _count(part: Part) -> int:
    return -(-part.size // sums.CHUNK)


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


def _with_data(fd: int, size: int) -> list[int]:
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
        end = os.lseek(fd, start, os.SEEK_HOLE)
        found += range(start // _PIECE * _PIECE, end, _PIECE)
    return sorted(set(found))


def _each(copy: abc.Callable[[int, memoryview], None],
          offsets: abc.Iterable[int]) -> None:
    """Call a function for all offsets, each thread with its own buffer."""
    local = threading.local()
    stop = threading.Event()

    def one(offset: int) -> None:
        if stop.is_set():
            return
        try:
            if not hasattr(local, 'buffer'):
                # Such memory is aligned as O_DIRECT needs it.
                local.buffer = memoryview(mmap.mmap(-1, _PIECE))
            copy(offset, local.buffer)
        except BaseException:
            stop.set()
            raise

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as executor:
        for future in [executor.submit(one, offset) for offset in offsets]:
            future.result()


def _runs(some: bytes, length: int) -> abc.Iterator[tuple[int, int]]:
    """Where the chunks are, of a piece, that are not all zero."""
    begin = None
    for at in range(0, length, sums.CHUNK):
        first = at // sums.CHUNK * sums.SIZE
        if some[first:first + sums.SIZE] == sums.ZERO:
            if begin is not None:
                yield begin, at
            begin = None
        elif begin is None:
            begin = at
    if begin is not None:
        yield begin, length


def _fill(fd: int, offset: int, buffer: memoryview) -> int:
    """Read a piece; its end is filled up with zeros to a whole block."""
    done = 0
    while done < len(buffer):
        got = os.preadv(fd, [buffer[done:]], offset + done)
        if got == 0:
            break
        done += got
    length = -(-done // _BLOCK) * _BLOCK
    buffer[done:length] = bytes(length - done)
    return length


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
