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

"""What of a running server's memory is not in the vault, as far as is known.

Two threads work at it. One *looks*: it asks which pages were written since it
asked last. The other one *visits*: it reads chunks, compares them with what
the vault has, and writes some.

A visit counts only for a chunk that nobody reported since the look before the
last one. So a device that writes into a page that it was given before a look,
which is not seen, has one interval between two looks to end that.

Visits prove what looks say. A chunk that differs although it was not reported,
and is not reported by the next look either, was *missed*. Then nothing is
believed until all was visited again.
"""

from collections import abc
import threading

from nova_temporality.vault import data
from nova_temporality.vpm import sums

_CHUNKS = data.PIECE // sums.CHUNK


class Unwritten:
    """The chunks of one memory that the vault may not have.

    :param take: returns ranges that were written since the last time, see
                 written_pages.WrittenPages.take()
    :param size: bytes of the memory
    :ivar missed: chunks that were written and not reported
    :raises Exception: what take() raises
    """

    def __init__(self, take: abc.Callable[[], list[tuple[int, int]]],
                 size: int) -> None:
        self.missed = 0
        self._take = take
        self._size = size
        self._lock = threading.Lock()
        self._looks = 0
        self._grown = 0
        # By chunk the look that reported it last; that of the first one is
        # the oldest.
        self._dirty: dict[int, int] = {}
        # Differ, and were not reported yet.
        self._doubted: set[int] = set()
        # Likewise by piece, of which nothing else is known.
        self._unvisited: dict[int, int] = {}
        # The first time all is reported.
        take()
        self._forget()

    def forget(self) -> None:
        """Nothing is known of what the vault has."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._unvisited = dict.fromkeys(range(-(-self._size // data.PIECE)),
                                        self._looks - 1)
        self._dirty.clear()
        self._doubted.clear()

    def look(self) -> None:
        """Ask what was written since the last look.

        :raises Exception: what take() raises
        """
        ranges = self._take()
        with self._lock:
            self._looks += 1
            before = len(self._dirty)
            for first, last in ranges:
                for chunk in range(first // sums.CHUNK,
                                   -(-last // sums.CHUNK)):
                    self._report(chunk)
            self._grown = len(self._dirty) - before
            missed = sum(self._dirty.get(chunk) != self._looks
                         for chunk in self._doubted)
            self._doubted.clear()
            if missed:
                self.missed += missed
                self._forget()

    def _report(self, chunk: int) -> None:
        if chunk // _CHUNKS in self._unvisited:
            self._unvisited[chunk // _CHUNKS] = self._looks
            return
        # To the end of all.
        self._dirty.pop(chunk, None)
        self._dirty[chunk] = self._looks

    def begin(self) -> int:
        """Return the number of the last look; to be told to visited()."""
        with self._lock:
            return self._looks

    def visited(self, since: int, offset: int, differed: abc.Sequence[bool],
                differ: abc.Sequence[bool]) -> bool:
        """Chunks were read, and compared with what the vault has.

        :param since: what begin() said before
        :param offset: of the first one, in bytes
        :param differed: which were not there as they were read
        :param differ: which of these were not written, either
        :returns: whether that was a piece of which nothing was known
        """
        first, count = offset // sums.CHUNK, len(differ)
        is_piece = first % _CHUNKS == 0 and (
            count == _CHUNKS or offset + count * sums.CHUNK >= self._size)
        with self._lock:
            reported = self._unvisited.pop(
                first // _CHUNKS, None) if is_piece else None
            for chunk, was, still in zip(range(first, first + count),
                                         differed, differ):
                if reported is not None and (still or reported >= since):
                    self._dirty[chunk] = reported
                last = self._dirty.get(chunk)
                if last is not None:
                    if last < since and not still:
                        del self._dirty[chunk]
                elif was and reported is None:
                    self._doubted.add(chunk)
            return reported is not None

    def zero(self, since: int, pieces: abc.Collection[int]) -> None:
        """All but these pieces were found to be holes.

        :param since: what begin() said before
        :param pieces: their offsets
        """
        for offset in {piece * data.PIECE for piece in self._unvisited.copy()
                       } - set(pieces):
            count = -(-min(data.PIECE, self._size - offset) // sums.CHUNK)
            self.visited(since, offset, [False] * count, [False] * count)

    def cold(self, most: int) -> list[int]:
        """Return chunks that the last look did not report, in order.

        Those that nobody reports for the longest time.

        :param most: how many
        """
        found: list[int] = []
        with self._lock:
            for chunk, reported in self._dirty.items():
                if reported >= self._looks or len(found) == most:
                    break
                found.append(chunk)
        return sorted(found)

    def left(self) -> int:
        """Return bytes that the vault may not have, as of the last look."""
        with self._lock:
            unvisited = len(self._unvisited) * data.PIECE
            return min(self._size,
                       unvisited + len(self._dirty) * sums.CHUNK)

    def grown(self) -> int:
        """Return by how much the last look made that more.

        As much may have come since.
        """
        with self._lock:
            return self._grown * sums.CHUNK

    def is_all_visited(self) -> bool:
        """Whether each piece was visited."""
        with self._lock:
            return not self._unvisited

    def changed(self) -> int:
        """Return bytes of that which were written since they were visited."""
        with self._lock:
            return len(self._dirty) * sums.CHUNK
