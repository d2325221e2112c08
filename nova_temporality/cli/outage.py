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

"""temporality fixate, resume, drill, outage list and outage show"""

import argparse
from collections import abc
import datetime
from typing import Any

from cliff import lister

from nova_temporality.cli import columns
from nova_temporality.cli import config
from nova_temporality.host import budget
from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage
from nova_temporality.qemu import words
from nova_temporality import vpm
from nova_temporality.vpm import outcomes

_Row = tuple[Any, ...]


class Fixate(lister.Lister):
    """Fixate all persistent servers now, as if power failed.

    They stand still until "temporality resume". Exits with 1 if a server
    could not be fixated. Times are milliseconds since the event.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--for-reboot', action='store_true',
            help='end the QEMUs of the fixated servers afterwards, so that '
                 'they do not delay a reboot or kexec. Stop nova-compute '
                 'before; it recovers the servers when it starts again')
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.for_reboot:
            # Large QEMUs take long to end; in DRAM all memory is read.
            self.report = client.call(config.options(self).run_dir,
                                      'fixate-for-reboot', timeout=None)
        else:
            self.report = client.call(config.options(self).run_dir, 'fixate')
        super().run(parsed_args)
        self.app.LOG.info('%s', outage.summary(self.report))
        return 1 if outage.failures(self.report) else 0

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        keys = ['name', 'result', 'runstate', 'stopped_ms', 'saved_ms',
                'fixated_ms', 'state_size', 'reason']
        names = ['Server', 'Result', 'Run State', 'Stopped ms', 'Saved ms',
                 'Fixated ms', 'State Size', 'Reason']
        if parsed_args.for_reboot:
            keys.append('ended')
            names.append('Ended')
        return names, [[pvm[key] for key in keys]
                       for pvm in self.report['pvms']]


class Resume(lister.Lister):
    """Call a fixation off: power is back, or did not fail.

    Servers that ran before run on. Exits with 1 if a server could not be
    resumed.
    """

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.results = client.call(config.options(self).run_dir,
                                   'resume')
        super().run(parsed_args)
        return 1 if any(result['result'] == 'failed'
                        for result in self.results) else 0

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        return ('Server', 'Result', 'Reason'), [
            (result['name'], result['result'], result['reason'])
            for result in self.results]


class Drill(lister.Lister):
    """Fixate all servers that run, verify their states, and resume them.

    They stand still for some milliseconds. The drill is refused while an
    outage is on or power may fail. Exits with 1 if a server could not be
    fixated or does not run on; the notifier goes on trying to resume it.
    Times are milliseconds since the beginning. The cost is the time that the
    server took in a second drill, alone. At the end it says what had been
    predicted for the servers together, and what they took.
    """

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.report = client.call(config.options(self).run_dir, 'drill')
        super().run(parsed_args)
        # A notifier of an earlier version makes none.
        forecast = self.report.get('forecast')
        if forecast:
            self.app.LOG.info('%s', _forecast(forecast))
        return 1 if outage.failures(self.report) else 0

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        return ('Server', 'Result', 'Stopped ms', 'Saved ms', 'Fixated ms',
                'State Size', 'Resumed', 'Cost ms', 'Reason'), [
            (pvm['name'], pvm['result'], pvm['stopped_ms'], pvm['saved_ms'],
             pvm['fixated_ms'], pvm['state_size'], pvm['resumed'],
             pvm['cost_ms'], pvm['reason']) for pvm in self.report['pvms']]


def _forecast(forecast: budget.Forecast) -> str:
    text = ('All together took %.1f ms; predicted had been %.1f ms, so it '
            'took %.1f times that' % (
                forecast['taken_ms'], forecast['predicted_ms'],
                forecast['taken_ms'] / forecast['predicted_ms']))
    if forecast['not_drilled']:
        text += (' (a guess: %(not_drilled)d had never been drilled)' %
                 forecast)
    return text


class OutageList(lister.Lister):
    """List the outages of this host.

    Each has a report of its own, which drills and suspends never push out. The
    same id stands in logs, notifications and metrics.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        reports = _archive(self)
        found = [report for report in map(reports.load, reports.ids())
                 if report]
        return ('Outage', 'Raised By', 'Servers', 'Called Off'), [
            (report['id'], ', '.join(report['event']['raised_by']),
             outage.counts(report), report['called_off'])
            for report in found]


def add_outage(parser: argparse.ArgumentParser) -> None:
    """Add the argument by which an outage is chosen."""
    parser.add_argument(
        'outage', nargs='?', metavar='<outage>',
        help='one that "temporality outage list" lists (default: the last '
             'one)')


class OutageShow(lister.Lister):
    """Show what became of servers in the last outage.

    The pool keeps the record, so it survives the outage as the servers'
    states do. Times are milliseconds since the event until the first command
    to QEMU, until vCPUs stood still and disks were drained, until the first
    bytes of the state came, until all of it came, until the state was marked
    valid, and until the server was durable in the vault, if it was written to
    one.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_outage(parser)
        parser.add_argument(
            '--all', action='store_true',
            help='show all outages, drills and suspends that the pool '
                 'remembers')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        with vpm.Pool(config.options(self).pool_path) as pool:
            found = outcomes.read(pool)
        rows = (self._all_rows(found) if parsed_args.all else
                self._rows_of(parsed_args.outage, found))
        return ('Time', 'Raised By', 'Server', 'Result', 'Run State',
                'Command ms', 'Stopped ms', 'Stream ms', 'Saved ms',
                'Fixated ms', 'Vault ms', 'State Size', 'Route', 'Reason',
                'Outage'), rows

    def _all_rows(self, found: abc.Iterable[outcomes.Outcome]) -> list[_Row]:
        reports = _archive(self)
        of_event = {event: report
                    for report in map(reports.load, reports.ids()) if report
                    for event in report['events']}
        return [_row(outcome, of_event.get(outage.id_of(outcome.wall_ns)))
                for outcome in found]

    def _rows_of(self, wanted: str | None,
                 found: abc.Iterable[outcomes.Outcome]) -> list[_Row]:
        """Return the rows of one outage: of the ring, and of its report."""
        reports = _archive(self)
        outages = [outcome for outcome in found
                   if archive.is_outage(outcome)]
        latest = [outage.id_of(outcome.wall_ns) for outcome in outages[-1:]]
        known = {event for report in map(reports.load, reports.ids())
                 if report for event in report['events']}
        if wanted is None:
            # The ring may be ahead: power was gone before the file was there.
            ids = reports.ids()[-1:] + [one for one in latest
                                        if one not in known]
            if not ids:
                return []
            wanted = ids[-1]
        report = reports.load(wanted)
        events = report['events'] if report else [wanted]
        rows = {outcome.name: _row(outcome, report) for outcome in outages
                if outage.id_of(outcome.wall_ns) in events}
        if report is None and not rows:
            raise UnknownOutage('no outage %s is known; "temporality outage '
                                'list" lists them' % wanted)
        if report is not None:
            for pvm in report['pvms']:
                rows.setdefault(pvm['name'], _row_of_report(report, pvm))
        return [rows[name] for name in sorted(rows)]


class UnknownOutage(Exception):
    """There is no report of an outage."""


def _archive(command: lister.Lister) -> archive.Archive:
    return archive.Archive(paths.outages(config.options(command).pool_path))


def _row(outcome: outcomes.Outcome,
         report: outage.OutageReport | None) -> _Row:
    return (_time(outcome), ', '.join(outcome.raised_by), outcome.name,
            outcome.result, outcome.runstate,
            _since_event_ms(outcome, outcome.command_ns),
            _since_event_ms(outcome, outcome.stopped_ns),
            _since_event_ms(outcome, outcome.stream_ns),
            _since_event_ms(outcome, outcome.saved_ns),
            _since_event_ms(outcome, outcome.fixated_ns),
            report and outage.vaulted_ms(report, outcome.name),
            outcome.length, outcome.route,
            words.printable(
                _reason(outcome.name, outcome.reason, report) or ''),
            outage.id_of(outcome.wall_ns))


def _row_of_report(report: outage.OutageReport, pvm: dict[str, Any]) -> _Row:
    return (report['event']['time'], ', '.join(report['event']['raised_by']),
            pvm['name'], pvm['result'], pvm['runstate'], None,
            pvm['stopped_ms'], None, pvm['saved_ms'], pvm['fixated_ms'],
            outage.vaulted_ms(report, pvm['name']), pvm['state_size'], None,
            _reason(pvm['name'], pvm['reason'], report), report['id'])


def _reason(name: str, reason: str | None,
            report: outage.OutageReport | None) -> str | None:
    """Why it is not fixated, or not in the vault."""
    if reason or report is None:
        return reason
    return outage.not_vaulted(report, name)


def _time(outcome: outcomes.Outcome) -> str:
    when = datetime.datetime.fromtimestamp(outcome.wall_ns / 1e9,
                                           datetime.UTC)
    return when.isoformat(timespec='milliseconds')


def _since_event_ms(outcome: outcomes.Outcome,
                    instant_ns: int) -> float | None:
    if not instant_ns:
        return None
    return round((instant_ns - outcome.signal_ns) / 1e6, 3)
