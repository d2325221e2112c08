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

"""The picture of an outage, in SVG: a row for each server.

Left are the milliseconds of the fixation, right the seconds of the recovery,
each with an axis of its own. Between them the axis is broken: power is off,
and the host starts. Everything has a texture or a word beside its colour.
"""

from collections import abc
from typing import Any

from lxml import etree

from nova_temporality.cli.report import layout
from nova_temporality.cli.report import model
from nova_temporality.cli.report import pieces
from nova_temporality.cli.report import rows
from nova_temporality.cli.report import scale
from nova_temporality.cli.report import spans
from nova_temporality.cli.report import text

_NAMESPACE = 'http://www.w3.org/2000/svg'
_BOLD = {'font-weight': 'bold'}
_SMALL = {'text-anchor': 'middle', 'font-size': '10'}
_RED = '#a00000'
# Servers that are named for screen readers; the page has all in a table.
_NAMED = 30


def picture(report: model.Report) -> str:
    """Return the picture of a whole report, as a file of its own."""
    root = _Figure(report, report.servers, scale.scales(report), 'outage',
                   is_headed=True).draw()
    return etree.tostring(root, encoding='unicode', pretty_print=True)


def figure(report: model.Report, servers: abc.Sequence[model.Server],
           scales: scale.Scales, name: str, thin: bool = False) -> Any:
    """Return the picture of some servers, as an element.

    :param scales: of the whole report
    :param name: letters; no other figure of the page has it
    :param thin: whether rows are thin, without words
    """
    return _Figure(report, servers, scales, name, is_thin=thin).draw()


class _Figure:
    """What is around the rows."""

    def __init__(self, report: model.Report,
                 servers: abc.Sequence[model.Server], scales: scale.Scales,
                 name: str, is_thin: bool = False,
                 is_headed: bool = False) -> None:
        self._report = report
        self._servers = servers
        self._scales = scales
        self._places = layout.Layout(scales)
        self._is_thin = is_thin
        self._is_headed = is_headed
        self._row = layout.THIN_ROW if is_thin else layout.ROW
        self._end = layout.HEAD_END + self._row * max(len(servers), 1)
        left, top = -layout.MARGIN, -layout.MARGIN
        if not is_headed:
            top += layout.TITLE_END
        width = layout.WIDTH + 2 * layout.MARGIN
        height = self._end + layout.FOOT + layout.MARGIN - top
        self._root: Any = pieces.E.svg(
            {'class': 'outage', 'role': 'img', 'xmlns': _NAMESPACE,
             'viewBox': '%d %d %d %d' % (left, top, width, height),
             'width': str(width), 'height': str(height),
             'aria-labelledby': '%s-title %s-desc' % (name, name),
             'font-family': 'system-ui, "DejaVu Sans", Arial, sans-serif',
             'font-size': '11', 'fill': pieces.INK},
            pieces.E.title('%s, %s' % (report.title, report.counts()),
                           id=name + '-title'),
            pieces.E.desc(self._describe(), id=name + '-desc'))
        pieces.rect(self._root, left, top, width, height, pieces.PAPER)

    def draw(self) -> Any:
        """Return the whole, as an element."""
        if self._is_headed:
            self._title()
        self._axes()
        if self._scales.recovery is not None:
            self._gap()
        for number, server in enumerate(self._servers):
            rows.draw(self._root, server, layout.HEAD_END +
                      number * self._row, self._places, self._is_thin)
        self._hold_up()
        self._legend()
        return self._root

    def _describe(self) -> str:
        """Say what is to be seen."""
        more = len(self._servers) - _NAMED
        return '%s. %s%s' % (text.budget(self._report), '; '.join(
            '%s: %s' % (server.label, server.verdict)
            for server in self._servers[:_NAMED]),
            '; and %d more' % more if more > 0 else '')

    def _title(self) -> None:
        self._write(0, 14, '%s: %s' % (self._report.title,
                                       self._report.event),
                    {**_BOLD, 'font-size': '13'})
        self._write(0, 30, self._report.counts())
        self._write(0, 44, text.budget(self._report))

    def _axes(self) -> None:
        self._axis(layout.FIXATION, 'Fixation, in milliseconds')
        for tick in self._scales.fixation.ticks(6):
            self._tick(self._places.x_ms(tick), '%g ms' % round(tick, 6))
        axis = self._scales.recovery
        if axis is not None:
            self._axis(layout.RECOVERY, 'Recovery, in seconds')
            for tick in axis.ticks(4):
                self._tick(
                    self._places.x_s(axis, tick + self._scales.zero_s),
                    '%g s' % round(tick, 6))

    def _axis(self, place: tuple[int, int], name: str) -> None:
        self._write(place[0], layout.HEAD_END - 24, name)
        pieces.line(self._root, place[0], self._end, place[1], self._end,
                    pieces.INK)

    def _tick(self, x: float, label: str) -> None:
        pieces.line(self._root, x, layout.HEAD_END - 4, x, self._end + 4,
                    '#cccccc')
        self._write(x, self._end + 15, label, _SMALL)

    def _gap(self) -> None:
        """The broken axis: nothing runs here."""
        host = self._report.host
        started_s = host.started_s if host else None
        left, right = layout.BREAK
        if started_s is None:
            self._band('dark', left, right, 'dark', self._scales.zero_s)
        else:
            middle = (left + right) / 2
            self._band('dark', left, middle, 'dark', started_s)
            self._band('boot', middle, right, 'host starts',
                       self._scales.zero_s - started_s)
        for x in layout.BREAK:
            pieces.zigzag(self._root, x, layout.HEAD_END - 8, self._end + 8)

    def _band(self, kind: str, left: float, right: float, name: str,
              seconds: float) -> None:
        top = layout.HEAD_END
        pieces.bar(self._root, kind, left, right, top - 4,
                   self._end - top + 8)
        middle = (left + right) / 2
        self._write(middle, top - 24, name, _SMALL)
        self._write(middle, top - 10, spans.show(seconds), _SMALL)

    def _hold_up(self) -> None:
        hold_up_ms = self._report.budget.hold_up_ms
        words = 'power lasts ' + spans.ms(hold_up_ms)
        y = layout.HEAD_END - 8
        left, right = layout.FIXATION
        if self._scales.fixation.is_beyond(hold_up_ms):
            self._write(right, y, '%s %s' % (words, rows.BEYOND), {
                **_BOLD, 'text-anchor': 'end'})
            return
        x = self._places.x_ms(hold_up_ms)
        pieces.line(self._root, x, y + 2, x, self._end + 4, _RED, {
            'stroke-width': '2', 'stroke-dasharray': '6 3'})
        self._write(x, y, words, {
            **_BOLD, 'fill': _RED,
            'text-anchor': 'end' if x > (left + right) / 2 else 'start'})

    def _legend(self) -> None:
        y = self._end + 34
        self._phases(y, 'Fixation', rows.FIXATION)
        if self._scales.recovery is not None:
            y += 20
            self._phases(y, 'Recovery', rows.RECOVERY)
        y += 20
        if self._scales.recovery is not None:
            pieces.arrow(self._root, 72, y - 9, 11)
            self._write(94, y, 'first instruction')
        for x, sign, words in (
                (246, rows.FAILED, 'not fixated or resumed'),
                (426, rows.BEYOND, 'goes on beyond the axis')):
            self._write(x, y, sign)
            self._write(x + 28, y, words)

    def _phases(self, y: float, name: str,
                phases: abc.Iterable[tuple[str, str, str]]) -> None:
        self._write(0, y, name, _BOLD)
        for number, (kind, _instant, words) in enumerate(phases):
            x = 66 + number * 180
            pieces.bar(self._root, kind, x, x + 22, y - 9, 11)
            self._write(x + 28, y, words)

    def _write(self, x: float, y: float, words: str,
               attributes: abc.Mapping[str, str] | None = None) -> None:
        pieces.write(self._root, x, y, words, attributes)
