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

"""The report of an outage: plain data, as it goes into JSON.

It informs people; what may be resumed is proven by the pool alone.

    {"id": "20260131T235959.123Z", of the first event
     "events": [ids of all events that are part of it],
     "event": {"source": "signal 44 from process 1", "time": <ISO 8601>,
               "raised_by": [names of sources or "operator", ...],
               "warned": <ISO 8601>},    if a source had warned before
     "hold_up_ms": 10,             as configured; reports that are made of the
                                   pool's ring, and older ones, have none
     "acknowledged_ms": 7.9,       since the event
     "called_off": <ISO 8601>,     null while nobody did
     "vault": {                    if servers were written to a vault
         "began": <ISO 8601>,
         "bytes": 34603008,        that were written, of all servers
         "seconds": 3.2,           from the beginning to the latest server
         "servers": [{"name": ..., "bytes": 34603008,
                      "durable": <ISO 8601>,   null if it is not there
                      "reason": "..."}, ...],  why it is not, else null
         "restored": {             once the pool was made again from it
             "began": <ISO 8601>,
             "bytes": 73400320,    that were read, of all servers
             "seconds": 0.4,
             "servers": 1}},       how many are as they were
     "pvms": [attempts.PvmReport as a dict, ...]}
"""

from collections import abc
import dataclasses
import datetime
import json
import os
from typing import Any
from typing import cast
from typing import NotRequired
from typing import TypedDict

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.vault import writing


class EventReport(TypedDict):
    """The event of an outage."""

    source: str
    time: str
    raised_by: list[str]
    warned: NotRequired[str]


class VaultedServer(TypedDict):
    """What became of a server in the vault; bytes: that were written."""

    name: str
    bytes: int
    durable: str | None
    reason: str | None


class Restored(TypedDict):
    """What was read from the vault; servers: how many are as they were."""

    began: str
    bytes: int
    seconds: float
    servers: int


class VaultReport(TypedDict):
    """What was written to the vault, in the order in which it was."""

    began: str
    bytes: int
    seconds: float
    servers: list[VaultedServer]
    restored: NotRequired[Restored]


class OutageReport(TypedDict):
    """An outage; the items of pvms are instances of PvmReport as dicts."""

    id: str
    events: list[str]
    event: EventReport
    hold_up_ms: NotRequired[int]
    acknowledged_ms: float
    called_off: str | None
    vault: NotRequired[VaultReport]
    pvms: list[dict[str, Any]]


def report(event: power.PowerEvent,
           pvm_reports: abc.Iterable[attempts.PvmReport],
           acknowledged_ns: int) -> OutageReport:
    """Make the report of one event.

    :param event: power.PowerEvent
    :param pvm_reports: of all pVMs
    :param acknowledged_ns: CLOCK_MONOTONIC when all of them were settled
    """
    event_id = id_of(event.wall_ns)
    about: EventReport = {
        'source': event.source, 'time': _iso(event.wall_ns),
        'raised_by': list(event.raised_by)}
    if event.warned_ns:
        about['warned'] = _iso(event.warned_ns)
    return {
        'id': event_id, 'events': [event_id], 'event': about,
        'acknowledged_ms': round(
            (acknowledged_ns - event.monotonic_ns) / 1e6, 3),
        'called_off': None,
        'pvms': [dataclasses.asdict(pvm) for pvm in
                 sorted(pvm_reports, key=lambda pvm: pvm.name)],
    }


def id_of(wall_ns: int) -> str:
    """Return the id of an event.

    :param wall_ns: CLOCK_REALTIME of it
    """
    return _iso(wall_ns).translate(
        str.maketrans('', '', '-:')).removesuffix('+0000') + 'Z'


def merge(earlier: OutageReport, later: OutageReport) -> OutageReport:
    """Report an outage in which power failed again before it was called off.

    The event stays the first one, raised by all. A pVM that was found fixated
    by an earlier event keeps that outcome.
    """
    pvms = {pvm['name']: pvm for pvm in earlier['pvms']}
    for pvm in later['pvms']:
        known = pvms.get(pvm['name'])
        fixated_before = (
            known is not None and known['result'] == attempts.FIXATED and
            pvm['result'] == attempts.FIXATED and pvm['fixated_ms'] is None)
        if not fixated_before:
            pvms[pvm['name']] = pvm
    event: EventReport = {**earlier['event'], 'raised_by': sorted(
        {*earlier['event']['raised_by'],
         *later['event']['raised_by']})}
    return {**earlier, 'event': event,
            'events': [*earlier['events'], *later['events']],
            'pvms': [pvms[name] for name in sorted(pvms)]}


def call_off(outage: OutageReport, wall_ns: int) -> OutageReport:
    """Note in a report that power is back, unless it says so already."""
    if outage['called_off']:
        return outage
    return {**outage, 'called_off': _iso(wall_ns)}


def vault_began(outage: OutageReport, wall_ns: int) -> OutageReport:
    """Note in a report that servers are written to the vault."""
    if 'vault' in outage:
        return outage
    return {**outage, 'vault': {'began': _iso(wall_ns), 'bytes': 0,
                                'seconds': 0.0, 'servers': []}}


def vaulted(outage: OutageReport, written: writing.Written,
            wall_ns: int) -> OutageReport:
    """Note in a report what became of one server in the vault.

    :param wall_ns: CLOCK_REALTIME when that was known
    """
    outage = vault_began(outage, wall_ns)
    vault = outage['vault']
    known = _in_vault(outage)
    before = known.pop(written.name, None)
    if not (before and before['durable'] and not written.failure and
            not written.size):
        # It was not there already.
        before = {'name': written.name, 'bytes': written.size,
                  'durable': None if written.failure else _iso(wall_ns),
                  'reason': written.failure or None}
    seconds = wall_ns / 1e9 - datetime.datetime.fromisoformat(
        vault['began']).timestamp()
    servers = [*known.values(), before]
    return {**outage, 'vault': {
        'began': vault['began'],
        'bytes': sum(one['bytes'] for one in servers),
        'seconds': round(max(seconds, 0), 3), 'servers': servers}}


def restored(outage: OutageReport, began_ns: int, ended_ns: int,
             servers: int, size: int) -> OutageReport:
    """Note in a report that the pool was made again from the vault.

    A report without a vault, one that says so already and one that was called
    off are left as they are.

    :param began_ns: CLOCK_REALTIME; ended_ns likewise
    :param servers: how many are as they were
    :param size: bytes that were read of them
    """
    if 'vault' not in outage or 'restored' in outage['vault'] or (
            outage['called_off']):
        return outage
    about: Restored = {
        'began': _iso(began_ns), 'bytes': size,
        'seconds': round((ended_ns - began_ns) / 1e9, 3), 'servers': servers}
    return {**outage, 'vault': {**outage['vault'], 'restored': about}}


def vault_summary(outage: OutageReport) -> str:
    """Say in a line what is in the vault; for a report that has one."""
    vault = outage['vault']
    durable = sum(one['durable'] is not None for one in vault['servers'])
    return 'outage %s: %d servers are durable in the vault, %d are not: ' \
        '%.1f MiB in %.1f s' % (
            outage['id'], durable, len(vault['servers']) - durable,
            vault['bytes'] / (1 << 20), vault['seconds'])


def vaulted_ms(outage: OutageReport, name: str) -> float | None:
    """Milliseconds from the event until a server was durable in the vault."""
    found = _in_vault(outage).get(name)
    if not found or not found['durable']:
        return None
    since = (datetime.datetime.fromisoformat(found['durable']) -
             datetime.datetime.fromisoformat(outage['event']['time']))
    return round(since.total_seconds() * 1000, 3)


def not_vaulted(outage: OutageReport, name: str) -> str | None:
    """Why a server is not in the vault, as far as that is known."""
    found = _in_vault(outage).get(name)
    return found['reason'] if found else None


def _in_vault(outage: OutageReport) -> dict[str, VaultedServer]:
    if 'vault' not in outage:
        return {}
    return {one['name']: one for one in outage['vault']['servers']}


def failures(outage: OutageReport) -> list[dict[str, Any]]:
    """Return the pVMs of a report that should be fixated and are not."""
    return [pvm for pvm in outage['pvms']
            if pvm['result'] == attempts.FAILED]


def counts(outage: OutageReport) -> str:
    """Say how many pVMs had which result."""
    return ', '.join(
        '%d %s' % (sum(pvm['result'] == result for pvm in outage['pvms']),
                   result)
        for result in (attempts.FIXATED, attempts.FAILED, attempts.SKIPPED))


def summary(outage: OutageReport) -> str:
    """Say in a line what is in a report."""
    return 'outage %s: power failed at %s (%s): %s; acknowledged after ' \
        '%.1f ms%s' % (
            outage['id'], outage['event']['time'], outage['event']['source'],
            counts(outage), outage['acknowledged_ms'],
            ', called off' if outage['called_off'] else '')


def store(outage: OutageReport, path: str) -> None:
    """Write a report to a file, durably, as a whole or not at all.

    It names servers, so not everybody may read it.
    """
    temporary = path + '.new'
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC |
                 os.O_NOFOLLOW, 0o640)
    with open(fd, 'w', encoding='utf-8') as f:
        # One that was left behind keeps its mode.
        os.fchmod(fd, 0o640)
        json.dump(outage, f, indent=1)
        f.write('\n')
        f.flush()
        os.fsync(fd)
    os.rename(temporary, path)


def load(path: str) -> OutageReport | None:
    """Read the report that an earlier notifier stored, or return None."""
    try:
        with open(path, encoding='utf-8') as f:
            stored = json.load(f)
    except (OSError, ValueError):
        return None
    # A report of another version is of no use either.
    if not (_has_keys(stored, OutageReport) and
            _has_keys(stored['event'], EventReport)):
        return None
    return cast(OutageReport, stored)


def _has_keys(stored: Any, kind: Any) -> bool:
    """Whether something stored has the keys of a TypedDict, and no others."""
    return isinstance(stored, dict) and (
        kind.__required_keys__ <= set(stored) <=
        kind.__required_keys__ | kind.__optional_keys__)


def _iso(wall_ns: int) -> str:
    when = datetime.datetime.fromtimestamp(wall_ns / 1e9, datetime.UTC)
    return when.isoformat(timespec='milliseconds')
