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

"""Writing to the vault ahead of need, while servers run.

What lies in a data file then is known by digests, in the memory of this
process only. When a server has been fixated, its chunks that are the same need
not be written.

A data file is written only as long as it proves nothing: the note that it is
begun is durable before, and the manifest of a state that the server still has
is never replaced. Each piece is written under the lock of the vault, after a
look at the record. So it does not matter how certain it is that the server
runs, or when it is fixated.

Where Linux notes what a QEMU writes (host/written_pages.py), it is asked where
to look first, and what is left is known. All the same everything is compared
again and again: that proves what Linux says.
"""

from collections import abc
import contextlib
import dataclasses
import errno
import os
import threading
import time

from oslo_log import log as logging

from nova_temporality.host import blocks
from nova_temporality.host import durable
from nova_temporality.host import written_pages
from nova_temporality.vault import data
from nova_temporality.vault import manifests
from nova_temporality.vault import place
from nova_temporality.vault import sealed
from nova_temporality.vault import unwritten as unwritten_module
from nova_temporality import vpm
from nova_temporality.vpm import sums

LOG = logging.getLogger(__name__)

# Seconds between two passes, and between two looks whether to hurry.
_INTERVAL = 10.0
_LOOK = 0.5
# It rests so many times as long as it computes: 1/21 is below 5 %.
_REST = 20
# Chunks that are copied at once, and how often so beside each piece that is
# compared again.
_CHUNKS = data.PIECE // sums.CHUNK
_TIMES = 4
# Of these, so many that follow one another are one write.
_AT_ONCE = 16


@dataclasses.dataclass
class _Part:
    """One of a region's files.

    :ivar there: what the data file has of it
    :ivar seen: digests of the chunks at the last look
    :ivar left: bytes that the data file has not, by offsets of pieces
    """

    there: data.There
    seen: bytearray
    left: dict[int, int]


@dataclasses.dataclass
class _Server:
    """A server whose memory is written ahead.

    :ivar parts: all that go to the vault
    :ivar copied: those that are written ahead
    :ivar is_dirty: whether something was written since the last sync
    """

    region: vpm.RegionInfo
    parts: list[data.Part]
    copied: list[_Part]
    is_dirty: bool = False


@dataclasses.dataclass
class _Watch:
    """A QEMU whose writes are seen.

    :ivar name: of its server
    :ivar created_ns: of its region
    """

    name: str
    pid: int
    created_ns: int
    pages: written_pages.WrittenPages
    unwritten: unwritten_module.Unwritten


class _Stopped(Exception):
    """Nothing is to be done now, or not with this region any more."""


class Ahead:
    """Writes the memory of running servers to the vault of their pool.

    :param pool: without a vault nothing is done
    :param mb_per_s: MiB per second at most; 0 to have nothing done
    :param running: returns the names of servers that run, as far as known
    :param hurried: whether power may fail, so that no time is to be lost
    :param halted: whether nothing is to be done now
    :param pids: returns process ids of QEMUs by names of servers
    :ivar written: bytes that were written
    :ivar missed: chunks that were written, which Linux had not told
    :ivar is_urgent: whether it is to write what is left at full speed
    """

    def __init__(self, pool: vpm.Pool, mb_per_s: int,
                 running: abc.Callable[[], abc.Collection[str]],
                 hurried: abc.Callable[[], object],
                 halted: abc.Callable[[], object],
                 pids: abc.Callable[[], abc.Mapping[str, int]] = dict
                 ) -> None:
        self.written = 0
        self.missed = 0
        self.is_urgent = False
        self._pool = pool
        self._info = pool.info()
        self._rate = mb_per_s << 20
        self._running = running
        self._hurried = hurried
        self._halted = halted
        self._pids = pids
        # Held while a piece is written, and by who wants it to stand still.
        self._lock = threading.Lock()
        self._stopped = False
        self._servers: dict[int, _Server] = {}
        # By ids of regions, as of the last look; replaced as a whole.
        self._watches: dict[int, _Watch] = {}
        self._unseen: dict[str, str] = {}
        self._buffer = data.new_buffer()
        self._errors: dict[str, str] = {}

    def start(self) -> None:
        """Start the thread, which ends with the process."""
        if self._info.vault and self._rate:
            threading.Thread(target=self._work, daemon=True,
                             name='ahead').start()

    @contextlib.contextmanager
    def stopped(self) -> abc.Iterator[None]:
        """The context in which nothing is written ahead.

        To enter it takes as long as one piece at most.
        """
        self._stopped = True
        try:
            with self._lock:
                yield
        finally:
            self._stopped = False

    @contextlib.contextmanager
    def overwriting(self, region: vpm.RegionInfo, parts: list[data.Part]
                    ) -> abc.Iterator[abc.Mapping[str, data.There]]:
        """The context in which a server's data is written as a whole.

        To be entered while it is stopped, by who does that. What it says is
        there need not be durable: who writes the rest syncs all of the file.

        :param parts: all that go to the vault, as they are now
        :returns: a context manager of what is there (see data.write())
        """
        server = self._servers.pop(region.id, None)
        if server is None or (server.region.created_ns, server.parts) != (
                region.created_ns, parts):
            yield {}
            return
        try:
            yield {copied.there.part.name: copied.there
                   for copied in server.copied}
        except OSError:
            # Nobody knows what the data file has now.
            raise
        except BaseException:
            self._servers[region.id] = server
            raise
        for copied in server.copied:
            copied.left = dict.fromkeys(copied.left, 0)
        self._servers[region.id] = server

    def left(self) -> dict[str, int]:
        """Return how many bytes are not in the vault yet, by names of servers.

        It is an estimate, of those that run, or ran since this process began:
        what was different when it was looked at last, and all that was not
        looked at. States, which exist only later, are not counted.

        :raises vpm.VpmError: the pool cannot be read
        """
        running = self._running()
        found: dict[str, int] = {}
        for region in self._pool.regions():
            known = self._known_of(region)
            server = self._servers.get(region.id)
            if known is not None:
                found[region.name] = known.left()
            elif server is not None:
                found[region.name] = sum(sum(copied.left.values())
                                         for copied in server.copied)
            elif region.name in running:
                with contextlib.suppress(OSError):
                    found[region.name] = blocks.allocated(
                        os.stat(region.ram_path))
        return found

    def known(self) -> dict[str, unwritten_module.Unwritten]:
        """Return what is not in the vault yet, by names of servers.

        Of those alone of which it is known, as of the last look.

        :raises vpm.VpmError: the pool cannot be read
        """
        found = {}
        for region in self._pool.regions():
            known = self._known_of(region)
            if known is not None:
                found[region.name] = known
        return found

    def unseen(self) -> dict[str, str]:
        """Return why it is not known of running servers, by their names."""
        return {
            watch.name: self._errors.get(
                watch.name, 'it was not compared with what the vault has yet')
            for id, watch in self._watches.items()
            if id not in self._servers} | self._unseen

    def look(self) -> None:
        """Ask what was written since the last look.

        To be called by one thread alone, every second or so.

        :raises vpm.VpmError: the pool cannot be read
        """
        pids, before = self._pids(), dict(self._watches)
        watches: dict[int, _Watch] = {}
        unseen: dict[str, str] = {}
        for region in self._pool.regions():
            pid = pids.get(region.name)
            if not pid:
                continue
            watch = before.pop(region.id, None)
            try:
                if watch and (watch.pid, watch.created_ns) != (
                        pid, region.created_ns):
                    watch.pages.close()
                    watch = None
                if watch is None:
                    watch = _watched(pid, region)
                else:
                    self._look_at(region, watch)
                watches[region.id] = watch
            except (OSError, written_pages.Unseen) as e:
                unseen[region.name] = str(e)
                if watch:
                    watch.pages.close()
        self._watches, self._unseen = watches, unseen
        for gone in before.values():
            gone.pages.close()

    def _look_at(self, region: vpm.RegionInfo, watch: _Watch) -> None:
        before = watch.unwritten.missed
        watch.unwritten.look()
        missed = watch.unwritten.missed - before
        self.missed += missed
        if missed:
            LOG.warning('%s: %d KiB were written, which the kernel has not '
                        'told; all of its memory counts as not being in the '
                        'vault until it was compared again', region.name,
                        missed * sums.CHUNK >> 10)

    def _known_of(self, region: vpm.RegionInfo
                  ) -> unwritten_module.Unwritten | None:
        watch = self._watches.get(region.id)
        if (watch is None or watch.created_ns != region.created_ns or
                region.id not in self._servers):
            return None
        return watch.unwritten

    def _work(self) -> None:
        while True:
            try:
                self.step()
                self._idle(_INTERVAL)
            except Exception:
                LOG.exception('Writing to the vault ahead failed')
                time.sleep(_LOOK)

    def _idle(self, seconds: float) -> None:
        """Only write what changes, unless power may fail.

        Or unless there is memory that was never compared.
        """
        end = time.monotonic() + seconds
        time.sleep(_LOOK)
        while time.monotonic() < end and not self._hurried() and all(
                watch.unwritten.is_all_visited()
                for watch in self._watches.values()):
            if not self.copy_cold():
                time.sleep(_LOOK)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._hurried():
            time.sleep(min(left, _LOOK))

    def _rest(self, began: float, before: int) -> None:
        """Let others have the disk and the processor.

        :param began: time.thread_time() before what was done
        :param before: what was written until then
        """
        self._pause(max((self.written - before) / self._rate,
                        (time.thread_time() - began) * _REST))

    def step(self) -> None:
        """Make one pass over all servers that run.

        :raises vpm.VpmError: the pool cannot be read
        """
        regions = {region.id: region for region in self._pool.regions()}
        for id in set(self._servers) - set(regions):
            self._servers.pop(id, None)
        running = self._running()
        for name in set(self._errors) - set(running):
            self._errors.pop(name)
        for region in regions.values():
            if region.name in running:
                self._try(region, lambda: self._copy_server(region))

    def copy_cold(self) -> bool:
        """Write some of what Linux told of, and is still since then.

        :returns: whether there was any
        """
        was_any = False
        for server in list(self._servers.values()):
            known = self._known_of(server.region)
            chunks = known.cold(_CHUNKS) if known else []
            if known and chunks:
                was_any |= self._try(server.region, lambda: self._copy_chunks(
                    server, known, chunks))
        return was_any

    def _try(self, region: vpm.RegionInfo,
             copy: abc.Callable[[], object]) -> bool:
        """Copy something of a server; return whether that was possible."""
        try:
            copy()
        except _Stopped:
            return False
        except (OSError, vpm.VpmError) as e:
            # Nobody knows what its data file has now.
            self._servers.pop(region.id, None)
            if self._is_there(region):
                if self._errors.get(region.name) != str(e):
                    LOG.warning('%s is not written to the vault ahead: %s',
                                region.name, e)
                self._errors[region.name] = str(e)
            return False
        self._errors.pop(region.name, None)
        return True

    def _copy_server(self, region: vpm.RegionInfo) -> None:
        self._check()
        path = manifests.data_path(self._info.vault, region.id)
        server = self._servers.get(region.id)
        if server is None or server.region.created_ns != region.created_ns:
            server = self._servers[region.id] = self._new(region, path)
            watch = self._watches.get(region.id)
            if watch:
                watch.unwritten.forget()
        for copied in server.copied:
            part = copied.there.part
            known = self._known_of(region)
            since = known.begin() if known else 0
            with data.opened(path, region.directory, part) as (source, _to):
                found = data.with_data(source, part.size)
            if known:
                known.zero(since, found)
            copied.left = {offset: copied.left.get(
                offset, min(data.PIECE, part.size - offset))
                for offset in found}
            for offset in found:
                began, before = time.thread_time(), self.written
                is_new = self._copy_piece(server, copied, offset)
                if not (is_new and self.is_urgent):
                    self._rest(began, before)
                for _ in range(1 if is_new else _TIMES):
                    if not self.copy_cold():
                        break
        if server.is_dirty:
            # Little is left to be synced by who writes the rest.
            durable.sync(path)
            server.is_dirty = False

    def _copy_piece(self, server: _Server, copied: _Part,
                    offset: int) -> bool:
        """Compare a piece, and write what is to be written of it.

        :returns: whether nothing was known of it
        """
        self._check()
        region, there = server.region, copied.there
        known = self._known_of(region)
        since = known.begin() if known else 0
        # It is open only now: a server may be freed, or started again.
        with data.opened(manifests.data_path(self._info.vault, region.id),
                         region.directory, there.part) as (source, target):
            piece = data.fill(source, there.part, offset, self._buffer)
            now = sums.digests(piece)
            where = data.slots(offset, len(now))
            differ = there.differ(offset, now)
            # What changes from pass to pass would be written in each of them.
            is_due = [self._hurried() or other == sums.ZERO or one == seen
                      for one, other, seen in zip(
                          data.each(now), there.known(offset, now),
                          data.each(copied.seen[where]))]
            wanted = [bool(one and due) for one, due in zip(differ, is_due)]
            if any(wanted):
                with self._may_write(server):
                    server.is_dirty = True
                    self.written += there.write(target, offset, piece, now,
                                                wanted)
        copied.seen[where] = now
        copied.left[offset] = sums.CHUNK * (sum(differ) - sum(wanted))
        return known is not None and known.visited(
            since, offset, differ, [one and not written for one, written in
                                    zip(differ, wanted)])

    def _copy_chunks(self, server: _Server,
                     known: unwritten_module.Unwritten,
                     chunks: list[int]) -> None:
        """Write chunks of a memory whose writes are seen.

        :param chunks: in order, at most as many as a piece has
        """
        self._check()
        region, copied = server.region, server.copied[0]
        there = copied.there
        began, before, since = time.thread_time(), self.written, known.begin()
        with data.opened(manifests.data_path(self._info.vault, region.id),
                         region.directory, there.part) as (source, target), \
                self._may_write(server):
            server.is_dirty = True
            for first, last in _runs(chunks):
                offset = first * sums.CHUNK
                piece = data.fill(source, there.part, offset, self._buffer[
                    :(last - first) * sums.CHUNK])
                now = sums.digests(piece)
                differ = there.differ(offset, now)
                self.written += there.write(target, offset, piece, now, differ)
                copied.seen[data.slots(offset, len(now))] = now
                known.visited(since, offset, differ, [False] * len(differ))
        if not self.is_urgent:
            self._rest(began, before)

    def _check(self) -> None:
        if self._stopped or self._halted():
            raise _Stopped

    @contextlib.contextmanager
    def _may_write(self, server: _Server) -> abc.Iterator[None]:
        """The context in which a piece of a server's data is overwritten."""
        region, uuid = server.region, str(self._info.uuid)
        path = manifests.path(self._info.vault, region.id)
        with self._lock, place.locked(
                self._info.vault, is_shared=True):
            # Its data was written as a whole, and that failed, or it is gone.
            if self._servers.get(region.id) is not server or (
                    not self._is_there(region)):
                raise _Stopped
            described = manifests.describe(self._pool, region)
            with contextlib.suppress(sealed.Damaged, FileNotFoundError):
                if manifests.read(path, uuid).region == described:
                    # It is fixated, and is in the vault.
                    raise _Stopped
            manifests.begin(path, uuid, described)
            if not self._is_there(region):
                durable.remove(path)
                raise _Stopped
            yield

    def _is_there(self, region: vpm.RegionInfo) -> bool:
        """Whether it was not freed; another one may have its name."""
        with contextlib.suppress(vpm.NotFound):
            return self._pool.lookup(
                region.name, region.sequence).created_ns == region.created_ns
        return False

    def _new(self, region: vpm.RegionInfo, path: str) -> _Server:
        """A server of which nothing is there yet.

        :param path: of its data file
        """
        parts = data.parts(region)
        # A QEMU may make its files longer than they were. Each is at a block.
        if parts[-1].at + parts[-1].size > (os.path.getsize(path) +
                                            data.BLOCK * len(parts)):
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG),
                          region.ram_path)
        # The state, which comes last, is made when it is fixated.
        return _Server(region, parts, [
            _Part(data.There(part), data.none_of(part), {})
            for part in parts[:-1]])


def _watched(pid: int, region: vpm.RegionInfo) -> _Watch:
    """Begin to watch a QEMU.

    :raises written_pages.Unseen: its writes are not seen
    :raises OSError: its memory is gone
    """
    if region.is_vpm:
        raise written_pages.Unseen('it has less NVRAM than memory')
    # A QEMU may make its files longer than they were.
    size = os.path.getsize(region.ram_path)
    if size > region.size:
        raise written_pages.Unseen('its memory is larger than its region')
    pages = written_pages.WrittenPages(pid, region.ram_path)
    try:
        return _Watch(region.name, pid, region.created_ns, pages,
                      unwritten_module.Unwritten(pages.take, size))
    except BaseException:
        pages.close()
        raise


def _runs(chunks: list[int]) -> abc.Iterator[tuple[int, int]]:
    """Where chunks follow one another: from, and up to; some at a time."""
    first = 0
    for at in range(1, len(chunks) + 1):
        if (at == len(chunks) or chunks[at] != chunks[at - 1] + 1 or
                at - first == _AT_ONCE):
            yield chunks[first], chunks[at - 1] + 1
            first = at
