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

"""What became of servers after outages, and when: an entry a line, in JSON.

It informs people. What may be resumed is proven by the pool alone, and nothing
reads this but reports. nova-compute has an entry written when the recovery of
a server ends, and when a try fails for another reason than the one before.

A file that is full becomes the former one, in place of that. So the two have
room for thousands of entries, and never grow larger.
"""

from collections import abc
import contextlib
import dataclasses
import json
import os
import threading
from typing import Any

from nova_temporality.host import durable
from nova_temporality.host import paths

# What a recovery came to.
RESUMED = 'resumed'
BOOTED = 'booted'
OFF = 'off'
SUSPENDED = 'suspended'
GONE = 'gone'
FAILED = 'failed'
RESULTS = (RESUMED, BOOTED, OFF, SUSPENDED, GONE, FAILED)

# What it passes on its way, in this order.
LIBVIRT = 'libvirt'
UP = 'up'
BEGAN = 'began'
STARTED = 'started'
LOADED = 'loaded'
RUNNING = 'running'
ENDED = 'ended'
STEPS = (LIBVIRT, UP, BEGAN, STARTED, LOADED, RUNNING, ENDED)

_FORMER = '.former'
# Bytes from which on a file is full.
_FULL = 1 << 20
# Characters that are kept of a text.
_LONGEST = 500

_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Entry:
    """What became of the recovery of one server, or of a try.

    :ivar name: the server's UUID
    :ivar display_name: what its tenant calls it; '' if that was not asked for
    :ivar result: RESUMED; BOOTED afresh; left OFF; SUSPENDED, as its tenant
                  had asked for; GONE to another host, or deleted; FAILED, and
                  to be tried again
    :ivar fault: class of the exception that says why, '' if it is resumed
    :ivar reason: the same in words, '' if it is resumed
    :ivar event_ns: CLOCK_REALTIME of the event by which its state was made, 0
                    if it had no proven one
    :ivar boot_id: of the host's kernel, see random(4)
    :ivar host_started_ns: CLOCK_REALTIME at which the host's kernel started
    :ivar clock_is_right: whether that clock was synchronised
    :ivar instants: nanoseconds since then: LIBVIRT answered nova-compute,
                    nova-compute's service counted as UP, the recovery BEGAN,
                    its empty QEMU was STARTED, the state was LOADED, its vCPUs
                    were RUNNING, the recovery ENDED; those that were reached
    """

    name: str
    display_name: str
    result: str
    fault: str
    reason: str
    event_ns: int
    boot_id: str
    host_started_ns: int
    clock_is_right: bool
    instants: dict[str, int]


def append(pool_path: str, entry: Entry) -> None:
    """Write an entry, durably.

    :raises OSError: that is not possible
    """
    path = paths.recoveries(pool_path)
    # An entry that a power cut has torn must not spoil the next one.
    line = '\n%s\n' % json.dumps(dict(
        dataclasses.asdict(entry), reason=entry.reason[:_LONGEST],
        display_name=entry.display_name[:_LONGEST]))
    with _lock:
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.dirname(path), 0o750)
        if _size(path) >= _FULL:
            durable.rename(path, path + _FORMER)
        is_new = not _size(path)
        # It names servers, so not everybody may read it.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND |
                     os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        with open(fd, 'w', encoding='utf-8') as stream:
            stream.write(line)
            stream.flush()
            os.fsync(fd)
        if is_new:
            durable.sync(os.path.dirname(path))


def read(pool_path: str) -> list[Entry]:
    """Return all entries, the oldest first; what is not sound is left out."""
    path = paths.recoveries(pool_path)
    return [entry for one in (path + _FORMER, path)
            for entry in _read(one)]


def _read(path: str) -> abc.Iterator[Entry]:
    try:
        with open(path, 'rb') as stream:
            lines = stream.read(2 * _FULL).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield _entry(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue


def _entry(stored: Any) -> Entry:
    """Make an entry of what was stored.

    :raises ValueError, TypeError, KeyError, AttributeError: it is none
    """
    found = {**stored['instants']}
    instants = {step: found[step] for step in STEPS if step in found}
    entry = Entry(**{**stored, 'instants': instants})
    texts = (entry.name, entry.display_name, entry.fault, entry.reason,
             entry.boot_id)
    numbers = (entry.event_ns, entry.host_started_ns, *instants.values())
    if (entry.result not in RESULTS or
            not all(isinstance(text, str) for text in texts) or
            not all(type(number) is int and 0 <= number < 1 << 63
                    for number in numbers)):
        raise ValueError(stored)
    return entry


def _size(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
