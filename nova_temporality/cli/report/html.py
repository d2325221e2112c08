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

"""The report of an outage as one page, for browsers and printers.

It needs no script and nothing from elsewhere. What is in its pictures is in
its tables, too.
"""

from collections import abc
from typing import Any

from lxml import builder
from lxml import etree

from nova_temporality.cli.report import model
from nova_temporality.cli.report import scale
from nova_temporality.cli.report import spans
from nova_temporality.cli.report import svg
from nova_temporality.cli.report import text

_E: Any = builder.ElementMaker()

# Rows of one picture; two of them fit on a sheet of paper.
_ROWS = 24

_STYLE = """
body { margin: 2em auto; max-width: 860px; padding: 0 1em;
  color: #1a1a1a;
  background: #fff;
  font: 15px/1.5 system-ui, "DejaVu Sans", Arial, sans-serif }
h1 { font-size: 1.5em; line-height: 1.2; margin: 0 0 .3em }
h2 { font-size: 1.2em; margin: 2em 0 .5em; border-bottom: 2px solid #1a1a1a }
h3 { font-size: 1em; margin: 1.3em 0 .3em }
p { margin: .3em 0; overflow-wrap: anywhere }
figure { margin: 1em 0; break-inside: avoid }
figcaption { font-weight: bold }
svg { display: block; width: 100%; height: auto }
table { border-collapse: collapse; width: 100%; font-size: 13px }
caption { text-align: left; font-weight: bold; padding: .3em 0 }
th, td { text-align: left; vertical-align: top; padding: .25em .5em;
  border-bottom: 1px solid #8c8c8c }
thead th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom }
tbody th { font-weight: normal; overflow-wrap: anywhere }
td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums }
td.number { white-space: nowrap }
.trouble { border-left: 6px solid #a00000; padding-left: .8em;
  margin: 1em 0; break-inside: avoid }
.trouble h3 { margin-top: 0 }
.uuid { font: 10px/1.4 ui-monospace, "DejaVu Sans Mono", monospace;
  display: block; color: #404040; white-space: nowrap }
@page { margin: 15mm }
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt }
  table { font-size: 8.5pt }
  tr { break-inside: avoid }
  h2, h3, h2 + p { break-after: avoid }
  thead { display: table-header-group }
}
"""


def render(report: model.Report) -> str:
    """Return the page."""
    page = _E.html(
        _E.head(_E.meta(charset='utf-8'),
                _E.meta(name='viewport',
                        content='width=device-width, initial-scale=1'),
                _E.title('%s: %s' % (report.title, report.counts())),
                _E.style(_STYLE)),
        _E.body(_E.header(_E.h1(report.title), _E.p(report.counts())),
                _E.main(*_glance(report), *_troubles(report),
                        *_moments(report), *_pictures(report),
                        *_servers(report))),
        lang='en')
    return etree.tostring(page, method='html', encoding='unicode',
                          doctype='<!DOCTYPE html>', pretty_print=True)


def _glance(report: model.Report) -> abc.Iterator[Any]:
    yield _E.h2('At a glance')
    yield _E.p('%s at %s, raised by %s: ' % (
        _sentence(report.event), text.clock(report.time),
        ', '.join(report.raised_by)), _E.bdi(report.source))
    yield _E.p('Budget: %s.' % text.budget(report))
    if report.called_off:
        yield _E.p('It was called off at %s: the servers ran on.' %
                   text.clock(report.called_off))
    if report.host and not report.host.clock_is_right:
        yield _E.p(_E.strong(text.CLOCK_IS_WRONG))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _troubles(report: model.Report) -> abc.Iterator[Any]:
    troubles = report.troubles()
    if troubles:
        yield _E.h2('What to look after')
    for trouble in troubles:
        part = _E.div(
            {'class': 'trouble'},
            _E.h3('%s: %s' % (trouble.verdict.capitalize(), model.in_words(
                len(trouble.servers)))),
            _E.p(trouble.reason or
                 _sentence(model.MEANINGS[trouble.verdict]) + '.'))
        if trouble.remedy:
            part.append(_E.p(_E.strong('What to do: '), trouble.remedy))
        names = _E.p('Servers: ')
        for number, server in enumerate(trouble.servers):
            name = _E.bdi(server.label)
            name.tail = ', ' if number + 1 < len(trouble.servers) else '.'
            names.append(name)
        part.append(names)
        yield part


def _pictures(report: model.Report) -> abc.Iterator[Any]:
    yield _E.h2('Pictures')
    yield _E.p('Left of the break are the milliseconds after the event, right '
               'of it the seconds in which servers were brought back. All '
               'that is in the pictures is in the tables below.')
    scales = scale.scales(report)
    if len(report.servers) <= _ROWS:
        yield _figure(report, report.servers, scales, 'all',
                      'All servers, the worst first')
        return
    yield _figure(report, report.servers, scales, 'overview',
                  'All servers, a thin line each, the worst first', thin=True)
    for name, caption, is_trouble in (
            ('trouble', 'To look after', True), ('others', 'Others', False)):
        servers = [server for server in report.servers
                   if (server.verdict in model.TROUBLE) is is_trouble]
        for first in range(0, len(servers), _ROWS):
            some = servers[first:first + _ROWS]
            yield _figure(
                report, some, scales, '%s-%d' % (name, first),
                '%s: %d to %d of %d servers' % (
                    caption, first + 1, first + len(some), len(servers)))


def _figure(report: model.Report, servers: abc.Sequence[model.Server],
            scales: scale.Scales, name: str, caption: str,
            thin: bool = False) -> Any:
    return _E.figure(_E.figcaption(caption),
                     svg.figure(report, servers, scales, name, thin))


def _moments(report: model.Report) -> abc.Iterator[Any]:
    yield _E.h2('What happened when')
    yield _table('Events, in order', [
        ('Time', False), ('After the event', True), ('What', False)], [
            (text.clock(moment.time), text.since(moment.since_s) or '0',
             moment.what) for moment in report.moments])


def _servers(report: model.Report) -> abc.Iterator[Any]:
    zero_s = scale.scales(report).zero_s
    yield _E.h2('Servers')
    yield _table(
        'Each server, the worst first. Instants of the fixation are '
        'milliseconds since the event.', [
            ('Server', False), ('Became', False), ('Command', True),
            ('Stopped', True), ('Saved', True), ('Fixated', True),
            *([('In the vault', True)] if report.vault else []),
            ('State, KiB', True), ('QEMU there', True),
            ('State loaded', True), ('Runs after', True)],
        [_row(server, zero_s, report.vault is not None)
         for server in report.servers])
    yield _E.p('"QEMU there" and "State loaded" count from when nova-compute '
               'counted as up, "Runs after" from the event.')
    meanings = {server.verdict for server in report.servers}
    yield _E.dl(*(part for verdict in model.VERDICTS if verdict in meanings
                  for part in (_E.dt(_E.strong(verdict)),
                               _E.dd(model.MEANINGS[verdict]))))


def _row(server: model.Server, zero_s: float,
         vaulted: bool) -> tuple[Any, ...]:
    fixation, recovery = server.fixation, server.recovery or model.Recovery()

    def after(instant: float | None) -> str:
        return '-' if instant is None else spans.show(instant - zero_s)

    name = _E.bdi(server.label)
    return (
        [name, _E.span({'class': 'uuid'}, server.name)]
        if server.display_name else [name],
        [_E.strong(server.verdict)] if server.verdict in model.TROUBLE
        else server.verdict,
        *(text.number(instant) for instant in (
            fixation.command_ms, fixation.stopped_ms, fixation.saved_ms,
            fixation.fixated_ms,
            *([fixation.vaulted_ms] if vaulted else []))),
        '-' if fixation.state_size is None else
        '%d' % (fixation.state_size // 1024),
        after(recovery.started_s), after(recovery.loaded_s),
        '-' if recovery.running_s is None else
        spans.show(recovery.running_s))


def _table(caption: str, columns: abc.Sequence[tuple[str, bool]],
           rows: abc.Iterable[abc.Sequence[Any]]) -> Any:
    """Make a table whose rows are named by their first cell.

    :param columns: names, and whether numbers are below
    :param rows: cells: texts, or lists of elements
    """
    def cell(tag: str, content: Any, is_number: bool, scope: str | None = None
             ) -> Any:
        attributes = {'class': 'number'} if is_number else {}
        if scope:
            attributes['scope'] = scope
        return _E(tag, attributes, *(
            [content] if isinstance(content, str) else content))

    return _E.table(
        _E.caption(caption),
        _E.thead(_E.tr(*(cell('th', name, is_number, 'col')
                         for name, is_number in columns))),
        _E.tbody(*(_E.tr(*(
            cell('td' if number else 'th', content, columns[number][1],
                 None if number else 'row')
            for number, content in enumerate(row))) for row in rows)))
