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

"""What is known of an outage, put together, ready to be shown.

All texts in it are printable and on one line, whoever they came from: QEMU, a
guest, a tenant.
"""

import dataclasses

# What became of a server, the worst first.
LOST = 'lost'
NOT_FIXATED = 'not fixated'
WAITING = 'waiting'
BOOTED = 'booted afresh'
UNKNOWN = 'not known'
GONE = 'gone'
SURVIVED = 'survived'
WAS_OFF = 'was off'

MEANINGS = {
    LOST: 'its memory is lost, and it is off',
    NOT_FIXATED: 'it had no proven state when power was to be gone',
    WAITING: 'it is not recovered yet, and is tried again',
    BOOTED: 'its memory is lost; it runs, from its disks',
    UNKNOWN: 'it was fixated, and no recovery of it is on record',
    GONE: 'it is deleted, or another host has it',
    SURVIVED: 'its memory is what it was',
    WAS_OFF: 'it did not run, so there was nothing to save',
}
VERDICTS = tuple(MEANINGS)
TROUBLE = frozenset(VERDICTS[:VERDICTS.index(UNKNOWN) + 1])


@dataclasses.dataclass(frozen=True)
class Fixation:
    """How a server was fixated: milliseconds since the event, or None.

    :ivar result: "fixated", "failed", "skipped", or None if nobody could note
                  it before power was gone
    :ivar command_ms: QEMU got the first command
    :ivar stopped_ms: vCPUs stood still, disks were drained
    :ivar saved_ms: QEMU had delivered its state
    :ivar fixated_ms: the marker was durable
    :ivar state_size: bytes
    :ivar vaulted_ms: all of it was durable in the vault, if there is one
    """

    result: str | None = None
    command_ms: float | None = None
    stopped_ms: float | None = None
    saved_ms: float | None = None
    fixated_ms: float | None = None
    state_size: int | None = None
    vaulted_ms: float | None = None

    @property
    def last_ms(self) -> float:
        """The last instant that is known; 0 if none is."""
        return max((one for one in (self.command_ms, self.stopped_ms,
                                    self.saved_ms, self.fixated_ms)
                    if one is not None), default=0.0)


@dataclasses.dataclass(frozen=True)
class Recovery:
    """How a server was brought back: seconds since the event, or None.

    :ivar began_s: its recovery began, with its disks there
    :ivar started_s: its empty QEMU was there
    :ivar loaded_s: that had its state
    :ivar running_s: the first instruction of its vCPUs
    :ivar ended_s: the last try ended
    :ivar in_vain: why earlier tries failed, the latest five
    """

    began_s: float | None = None
    started_s: float | None = None
    loaded_s: float | None = None
    running_s: float | None = None
    ended_s: float | None = None
    in_vain: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Server:
    """What became of one server.

    :ivar name: its UUID
    :ivar display_name: what its tenant calls it, '' if that is not known
    :ivar verdict: one of VERDICTS
    :ivar reason: why it did not survive, '' if it did
    :ivar remedy: what to do, '' for nothing; SERVER stands for its UUID
    :ivar recovery: None if none is on record
    """

    name: str
    display_name: str
    verdict: str
    reason: str
    remedy: str
    fixation: Fixation
    recovery: Recovery | None

    @property
    def label(self) -> str:
        """By what people know it."""
        return self.display_name or self.name


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much of the time that power lasted was used, in milliseconds.

    :ivar hold_up_is_of_then: whether the hold-up time was noted with the
                              outage; otherwise it is what is configured now
    :ivar used_ms: until the last marker was durable; None without one
    """

    hold_up_ms: float
    hold_up_is_of_then: bool
    used_ms: float | None


@dataclasses.dataclass(frozen=True)
class HostStart:
    """How the host came back: seconds since the event.

    :ivar started_s: its kernel started; None if it was not booted meanwhile
    :ivar libvirt_s: libvirt had answered nova-compute
    :ivar up_s: nova-compute's service counted as up: recoveries begin
    :ivar clock_is_right: whether the clock was synchronised by then; if not,
                          all these may be wrong
    """

    started_s: float | None
    libvirt_s: float | None
    up_s: float | None
    clock_is_right: bool


@dataclasses.dataclass(frozen=True)
class Vault:
    """What was written to the vault, and read from it after the darkness.

    Instants are seconds since the event; None where none is on record.

    :ivar durable_s: the last of the servers that are there was durable
    :ivar servers: how many that are
    :ivar written_bytes: after the event
    :ivar restore_began_s: the pool began to be made again
    :ivar restored_s: the pool was there again
    :ivar restored: how many servers were as they had been
    :ivar read_bytes: of all of these
    """

    durable_s: float | None
    servers: int
    written_bytes: int
    restore_began_s: float | None = None
    restored_s: float | None = None
    restored: int | None = None
    read_bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Moment:
    """Something that happened.

    :ivar since_s: seconds since the event
    :ivar time: ISO 8601
    :ivar what: in words
    """

    since_s: float
    time: str
    what: str


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Servers with the same reason and remedy."""

    verdict: str
    reason: str
    remedy: str
    servers: tuple[Server, ...]


@dataclasses.dataclass(frozen=True)
class Report:
    """An outage, or what only looked like one: a drill, for example.

    :ivar is_outage: False for drills, suspends and snapshots
    :ivar event: what it was, in some words
    :ivar raised_by: names of sources, or who asked for it
    :ivar source: the news, in words
    :ivar time: of the event, ISO 8601
    :ivar called_off: ISO 8601, None if it was not called off
    :ivar moments: what happened, in order
    :ivar host: None if no recovery is on record
    :ivar servers: the worst first, then those that took longest
    :ivar vault: None if nothing was written to one
    """

    id: str
    is_outage: bool
    event: str
    raised_by: tuple[str, ...]
    source: str
    time: str
    called_off: str | None
    budget: Budget
    moments: tuple[Moment, ...]
    host: HostStart | None
    servers: tuple[Server, ...]
    vault: Vault | None = None

    @property
    def title(self) -> str:
        """What this is about, in some words."""
        return '%s %s' % ('Outage' if self.is_outage else
                          ', '.join(self.raised_by).capitalize(), self.id)

    def counts(self) -> str:
        """Say what became of how many servers."""
        found = [(sum(server.verdict == verdict for server in self.servers),
                  verdict) for verdict in VERDICTS]
        return ': '.join(filter(None, (
            in_words(len(self.servers)),
            ', '.join('%d %s' % one for one in found if one[0]))))

    def troubles(self) -> list[Trouble]:
        """Return the servers that somebody has to look after, by reason."""
        found: dict[tuple[str, str, str], list[Server]] = {}
        for server in self.servers:
            if server.verdict in TROUBLE:
                found.setdefault((server.verdict, server.reason,
                                  server.remedy), []).append(server)
        return [
            Trouble(verdict, reason, remedy if len(servers) > 1 else
                    remedy.replace('SERVER', servers[0].name), tuple(servers))
            for (verdict, reason, remedy), servers in found.items()]


def in_words(number: int) -> str:
    """Return a number of servers, in words."""
    return '%d server%s' % (number, '' if number == 1 else 's')
