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

"""Puts together what the records say of one outage."""

from collections import abc
import dataclasses
import datetime
from typing import Any

from nova_temporality.cli.report import model
from nova_temporality.cli.report import records
from nova_temporality.cli.report import remedies
from nova_temporality.host import recovery_log
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import outage
from nova_temporality.qemu import words
from nova_temporality.vpm import outcomes

_Entries = abc.Sequence[recovery_log.Entry]

_VERDICTS = {
    recovery_log.RESUMED: model.SURVIVED,
    recovery_log.SUSPENDED: model.SURVIVED,
    recovery_log.BOOTED: model.BOOTED,
    recovery_log.OFF: model.LOST,
    recovery_log.GONE: model.GONE,
    recovery_log.FAILED: model.WAITING,
}
_IN_VAIN = 5

_NOT_NOTED = 'power was gone before it could be noted what became of it'


def build(report: outage.OutageReport, known: records.Records,
          hold_up_ms: int) -> model.Report:
    """Return all that is known of an outage.

    :param report: one that *known* has found
    :param hold_up_ms: as it is configured now
    """
    began_ns = records.began_ns(report)
    entries = known.recoveries_of(report)
    started = _host_starts(entries)

    def since_s(entry: recovery_log.Entry, step: str) -> float | None:
        """When a step was reached, in seconds since the event."""
        if not entry.instants.get(step):
            return None
        return round((started[entry.boot_id] + entry.instants[step] -
                      began_ns) / 1e9, 3)

    vault = _vault(report)
    ring = known.outcomes_of(report)
    fixations = _fixations(report, ring)
    reasons = {outcome.name: outcome.reason for outcome in ring}
    reasons.update((pvm['name'], pvm['reason'] or '')
                   for pvm in report['pvms'])
    servers = [
        _server(name, fixations.get(name, model.Fixation()),
                reasons.get(name, ''), entries.get(name, []),
                _runs_on(report), since_s)
        for name in fixations.keys() | entries.keys()]
    host = _host(entries, started, began_ns, since_s)
    then_ms = report.get('hold_up_ms')
    return model.Report(
        id=report['id'], is_outage=records.is_outage(report),
        event=_event(report),
        raised_by=tuple(map(words.printable, report['event']['raised_by'])),
        source=words.printable(report['event']['source']),
        time=report['event']['time'], called_off=report['called_off'],
        budget=model.Budget(
            float(hold_up_ms if then_ms is None else then_ms),
            then_ms is not None,
            max((one.fixated_ms for one in fixations.values()
                 if one.fixated_ms is not None), default=None)),
        moments=tuple(_moments(report, fixations.values(), vault, host,
                               servers)),
        host=host, servers=tuple(sorted(servers, key=_order)), vault=vault)


def _order(server: model.Server) -> Any:
    recovery = server.recovery or model.Recovery()
    return (model.VERDICTS.index(server.verdict),
            -(recovery.running_s or recovery.ended_s or 0.0),
            -server.fixation.last_ms, server.label, server.name)


def _event(report: outage.OutageReport) -> str:
    """What the event was, in some words."""
    if not records.is_outage(report):
        return 'no outage'
    return ('an operator had the servers fixated'
            if report['event']['raised_by'] == [power.OPERATOR]
            else 'power failed')


def _runs_on(report: outage.OutageReport) -> bool:
    """Whether the servers ran on without a recovery."""
    return bool(report['called_off']) or not records.is_outage(report)


# -- how they were fixated ----------------------------------------------------

def _fixations(report: outage.OutageReport,
               ring: abc.Iterable[outcomes.Outcome]
               ) -> dict[str, model.Fixation]:
    """How each server was fixated, by name.

    The ring knows more than the report, as far as it still does.
    """
    found = {}
    for outcome in ring:
        found[outcome.name] = model.Fixation(
            outcome.result, _ms(outcome, outcome.command_ns),
            _ms(outcome, outcome.stopped_ns), _ms(outcome, outcome.saved_ns),
            _ms(outcome, outcome.fixated_ns), outcome.length or None)
    for pvm in report['pvms']:
        told = model.Fixation(
            pvm['result'], None, pvm['stopped_ms'], pvm['saved_ms'],
            pvm['fixated_ms'], pvm['state_size'])
        ring_has = found.get(pvm['name'])
        # The report is right: a state may have been found damaged since, or a
        # later event found it fixated.
        if ring_has is None or (
                (ring_has.result, ring_has.fixated_ms) !=
                (told.result, told.fixated_ms)):
            found[pvm['name']] = told
    return {name: dataclasses.replace(
        one, vaulted_ms=outage.vaulted_ms(report, name))
        for name, one in found.items()}


def _vault(report: outage.OutageReport) -> model.Vault | None:
    """What was written to the vault, and read from it."""
    told = report.get('vault')
    if told is None:
        return None
    durable = [ms for ms in (outage.vaulted_ms(report, one['name'])
                             for one in told['servers']) if ms is not None]
    found = model.Vault(max(durable) / 1e3 if durable else None, len(durable),
                        told['bytes'])
    restored = told.get('restored')
    if restored is None:
        return found
    began = datetime.datetime.fromisoformat(report['event']['time'])
    began_s = (datetime.datetime.fromisoformat(restored['began']) -
               began).total_seconds()
    return dataclasses.replace(
        found, restore_began_s=began_s,
        restored_s=round(began_s + restored['seconds'], 3),
        restored=restored['servers'], read_bytes=restored['bytes'])


def _ms(outcome: outcomes.Outcome, instant_ns: int) -> float | None:
    if not instant_ns:
        return None
    return round((instant_ns - outcome.signal_ns) / 1e6, 3)


# -- how they were brought back -----------------------------------------------

def _host_starts(entries: abc.Mapping[str, _Entries]) -> dict[str, int]:
    """CLOCK_REALTIME at which the host's kernel started, by boot.

    As the latest entry has it: the clock may have been set right meanwhile.
    """
    return {entry.boot_id: entry.host_started_ns for entry in sorted(
        (one for of_server in entries.values() for one in of_server),
        key=_ended_ns)}


def _ended_ns(entry: recovery_log.Entry) -> int:
    return entry.instants.get(recovery_log.ENDED, 0)


def _host(entries: abc.Mapping[str, _Entries], started: dict[str, int],
          began_ns: int, since_s: Any) -> model.HostStart | None:
    """How the host came back, as the first server that was looked at has it.
    """
    every = sorted((one for of_server in entries.values()
                    for one in of_server), key=_ended_ns)
    if not every:
        return None
    boot_id = min(started, key=lambda boot: started[boot])
    of_boot = [entry for entry in every if entry.boot_id == boot_id]
    after = started[boot_id] - began_ns

    def first(step: str) -> float | None:
        instants = [since_s(entry, step) for entry in of_boot]
        # nova-compute may have been there before.
        return min((one for one in instants if one is not None and one > 0),
                   default=None)

    return model.HostStart(
        round(after / 1e9, 3) if after > 0 else None,
        first(recovery_log.LIBVIRT), first(recovery_log.UP),
        of_boot[-1].clock_is_right)


def _server(name: str, fixation: model.Fixation, failure: str,
            entries: _Entries, runs_on: bool, since_s: Any) -> model.Server:
    """Put together what is known of one server.

    :param failure: why it was not fixated, or ''
    :param entries: of its recovery
    :param runs_on: whether it ran on without one
    """
    last = entries[-1] if entries else None
    if last:
        verdict, reason = _VERDICTS[last.result], last.reason
    else:
        verdict, reason = _verdict(fixation, runs_on), failure
    if fixation.result is None and verdict == model.LOST:
        reason = '%s (%s)' % (reason, _NOT_NOTED)
    elif verdict in (model.LOST, model.BOOTED) and failure:
        reason = '%s (%s)' % (reason, failure)
    if verdict in (model.SURVIVED, model.WAS_OFF):
        reason = ''
    return model.Server(
        words.printable(name),
        words.printable(next((entry.display_name for entry in entries[::-1]
                              if entry.display_name), '')),
        verdict, words.printable(reason, 2 * words.LIMIT),
        remedies.remedy(verdict, last.fault if last else ''),
        fixation, _recovery(entries, since_s) if entries else None)


def _verdict(fixation: model.Fixation, runs_on: bool) -> str:
    """What became of a server whose recovery is not on record."""
    if fixation.result == attempts.SKIPPED:
        return model.WAS_OFF
    if fixation.result != attempts.FIXATED:
        return model.NOT_FIXATED
    return model.SURVIVED if runs_on else model.UNKNOWN


def _recovery(entries: _Entries, since_s: Any) -> model.Recovery:
    last = entries[-1]
    # Nova may have taken it up only after it ran.
    steps: dict[str, float | None] = {}
    for entry in entries:
        if entry.boot_id == last.boot_id:
            steps.update({step: since_s(entry, step)
                          for step in entry.instants})
    in_vain = [words.printable(entry.reason) for entry in entries[:-1]
               if entry.result == recovery_log.FAILED]
    return model.Recovery(
        steps.get(recovery_log.BEGAN), steps.get(recovery_log.STARTED),
        steps.get(recovery_log.LOADED), steps.get(recovery_log.RUNNING),
        steps.get(recovery_log.ENDED), tuple(in_vain[-_IN_VAIN:]))


def _mib(size: int) -> str:
    return '%.1f MiB' % (size / (1 << 20))


# -- what happened when -------------------------------------------------------

def _moments(report: outage.OutageReport,
             fixations: abc.Iterable[model.Fixation],
             vault: model.Vault | None, host: model.HostStart | None,
             servers: abc.Sequence[model.Server]
             ) -> abc.Iterator[model.Moment]:
    began = datetime.datetime.fromisoformat(report['event']['time'])
    found: list[tuple[float, str]] = [
        (0.0, '%s: %s' % (_event(report), words.printable(
            report['event']['source'])))]

    def add(since_s: float | None, what: str) -> None:
        if since_s is not None:
            found.append((since_s, what))

    def at(time: str | None, what: str) -> None:
        if time:
            add((datetime.datetime.fromisoformat(time) -
                 began).total_seconds(), what)

    at(report['event'].get('warned'), 'a source warned that power may fail')
    fixated = [one.fixated_ms for one in fixations
               if one.fixated_ms is not None]
    if fixated:
        add(max(fixated) / 1e3, 'the last marker was durable')
    add(report['acknowledged_ms'] / 1e3,
        'each server was fixated or given up')
    if vault:
        add(vault.durable_s, '%s durable in the vault, %s written' % (
            model.in_words(vault.servers), _mib(vault.written_bytes)))
        add(vault.restore_began_s, 'the vault began to be read')
        add(vault.restored_s, 'the pool was there again: %s as before, %s '
            'read' % (model.in_words(vault.restored or 0),
                      _mib(vault.read_bytes or 0)))
    at(report['called_off'], 'called off: the servers ran on')
    if host:
        add(host.started_s, "the host's kernel started")
        add(host.libvirt_s, 'libvirt had answered nova-compute')
        add(host.up_s, 'nova-compute counted as up: recoveries began')
    running = [server.recovery.running_s for server in servers
               if server.recovery and server.recovery.running_s is not None]
    if running:
        add(min(running), 'the first server ran on')
        if len(running) > 1:
            add(max(running), 'the last server ran on')
    for since_s, what in sorted(found, key=lambda one: one[0]):
        yield model.Moment(
            since_s, (began + datetime.timedelta(seconds=since_s)).isoformat(
                timespec='milliseconds'), what)
