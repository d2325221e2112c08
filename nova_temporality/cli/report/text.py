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

"""The report of an outage, for a terminal."""

from collections import abc

from nova_temporality.cli.report import model
from nova_temporality.cli.report import spans

# Characters of the budget's bar.
_BAR = 40
_NAMES = 3

CLOCK_IS_WRONG = ("The host's clock was not synchronised: all times after the "
                  'darkness may be wrong.')


def render(report: model.Report) -> str:
    """Return the report as lines, without the last line's end."""
    return '\n\n'.join('\n'.join(part) for part in (
        _head(report), _moments(report), _budget(report),
        _servers(report), _troubles(report)) if part)


def budget(report: model.Report) -> str:
    """Say what was used of the hold-up time."""
    known = report.budget
    text = 'hold-up time %s%s' % (
        spans.ms(known.hold_up_ms),
        '' if known.hold_up_is_of_then else ' (as configured now)')
    if known.used_ms is None:
        return text + '; no server was fixated'
    left = known.hold_up_ms - known.used_ms
    return '%s; used %s (%.0f %%), %s' % (
        text, spans.ms(known.used_ms),
        100 * known.used_ms / known.hold_up_ms,
        '%s left' % spans.ms(left) if left >= 0 else
        '%s TOO LONG' % spans.ms(-left))


def _head(report: model.Report) -> list[str]:
    return ['%s: %s (raised by %s)' % (
        report.title, report.event, ', '.join(report.raised_by)),
        report.counts()]


def _moments(report: model.Report) -> list[str]:
    return ['WHEN'] + ['  %s  %12s  %s' % (
        clock(moment.time), since(moment.since_s), moment.what)
        for moment in report.moments] + (
            ['  ' + CLOCK_IS_WRONG]
            if report.host and not report.host.clock_is_right else [])


def clock(time: str) -> str:
    """Show ISO 8601 as people read it."""
    return time.replace('T', ' ').replace('+00:00', ' UTC')


def since(seconds: float) -> str:
    """Say when something was, after the event or before."""
    return '' if not seconds else (
        spans.show(seconds) if seconds < 0 else '+' + spans.show(seconds))


def _budget(report: model.Report) -> list[str]:
    known = report.budget
    lines = ['BUDGET', '  ' + budget(report)]
    if known.used_ms is not None:
        longest = max(known.hold_up_ms, known.used_ms)
        used = round(_BAR * known.used_ms / longest)
        limit = round(_BAR * known.hold_up_ms / longest)
        lines.append('  [%s]' % ''.join(
            '#' if one < min(used, limit) else '!' if one < used else '.'
            for one in range(_BAR)))
    return lines


def _servers(report: model.Report) -> list[str]:
    if not report.servers:
        return ['SERVERS', '  none']
    vaulted = report.vault is not None
    header = ('Stopped ms', 'Saved ms', 'Fixated ms',
              *(['Vault ms'] if vaulted else []), 'Runs after', 'Became',
              'Server')
    rows = [header] + [(
        number(server.fixation.stopped_ms), number(server.fixation.saved_ms),
        number(server.fixation.fixated_ms),
        *([number(server.fixation.vaulted_ms)] if vaulted else []),
        spans.show(server.recovery.running_s) if server.recovery and
        server.recovery.running_s is not None else '-',
        server.verdict.upper() if server.verdict in model.TROUBLE
        else server.verdict,
        '%s (%s)' % (server.display_name, server.name)
        if server.display_name else server.name)
        for server in report.servers]
    widths = [max(len(row[column]) for row in rows)
              for column in range(len(header))]
    return ['SERVERS'] + ['  ' + '  '.join((
        *(cell.rjust(width) for cell, width in zip(row[:-2], widths)),
        row[-2].ljust(widths[-2]), row[-1])) for row in rows]


def number(value: float | None) -> str:
    """Show milliseconds in a table."""
    return '-' if value is None else '%.1f' % value


def _troubles(report: model.Report) -> list[str]:
    troubles = report.troubles()
    return ['WHAT TO LOOK AFTER'] + [
        line for trouble in troubles for line in _trouble(trouble)
    ] if troubles else []


def _trouble(trouble: model.Trouble) -> abc.Iterator[str]:
    names = [server.label for server in trouble.servers]
    yield '  %s: %s%s' % (
        trouble.verdict.upper(), ', '.join(names[:_NAMES]),
        ' and %d more' % (len(names) - _NAMES) if len(names) > _NAMES else '')
    yield '    ' + (trouble.reason or model.MEANINGS[trouble.verdict])
    if trouble.remedy:
        yield '    -> ' + trouble.remedy
