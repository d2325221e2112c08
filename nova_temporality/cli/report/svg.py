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
and the host starts. Everything has a pattern or a word beside its colour.
"""

from collections import abc
from typing import Any
import unicodedata

from lxml import builder
from lxml import etree

from nova_temporality.cli.report import model
from nova_temporality.cli.report import scale
from nova_temporality.cli.report import spans
from nova_temporality.cli.report import text

_NAMESPACE = 'http://www.w3.org/2000/svg'
_E: Any = builder.ElementMaker()

WIDTH = 820
_LABEL = 168
_FIXATION = (176, 424)
_BREAK = (424, 564)
_RECOVERY = (564, 716)
_VERDICT = 724
_MARGIN = 8
_TITLE = 54
_HEAD = 86
_FOOT = 84
_ROW = 18
_THIN_ROW = 3
# Pixels of the shortest bar that is seen.
_SHORTEST = 1.5

# Phases by name: the end of each is an instant of the model.
_FIXATION_PHASES = (
    ('wait', 'command_ms', 'waits for its wave'),
    ('stop', 'stopped_ms', 'vCPUs stop, disks drain'),
    ('save', 'saved_ms', 'QEMU saves'),
    ('mark', 'fixated_ms', 'caches, checksum, marker'),
)
_RECOVERY_PHASES = (
    ('queue', 'began_s', 'waits for its turn'),
    ('start', 'started_s', 'empty QEMU starts'),
    ('load', 'loaded_s', 'loads its state'),
    ('run', 'running_s', 'vCPUs start'),
)

_INK = '#1a1a1a'
_GREY = '#595959'
_FILLS = {'wait': '#ffffff', 'stop': '#f2c14e', 'save': '#5b9bd5',
          'mark': '#12355b', 'queue': '#ffffff', 'start': '#cfe8cf',
          'load': '#57a773', 'run': '#1b4332', 'dark': '#3a3a3a',
          'boot': '#e4e4e4'}
# What is drawn on a fill, by a line along its middle: the line's width as a
# part of the bar's height, its dashes, its colour. (Elements "pattern" would
# do the same, and make printed pages of hundreds of megabytes.)
_TEXTURES = {'stop': (1.0, '1 4', _INK), 'save': (0.25, '3 3', _INK),
             'start': (0.1, '', _INK), 'load': (1.0, '2 2', _INK),
             'dark': (1.0, '1 5', '#8c8c8c'), 'boot': (1.0, '1 7', '#8c8c8c')}


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

    def __init__(self, report: model.Report,
                 servers: abc.Sequence[model.Server], scales: scale.Scales,
                 name: str, is_thin: bool = False,
                 is_headed: bool = False) -> None:
        self._report = report
        self._servers = servers
        self._scales = scales
        self._name = name
        self._thin = is_thin
        self._is_headed = is_headed
        self._row = _THIN_ROW if is_thin else _ROW
        self._end = _HEAD + self._row * max(len(servers), 1)
        top = 0 if is_headed else _TITLE
        height = self._end + _FOOT - top + 2 * _MARGIN
        self._root: Any = _E.svg(
            {'class': 'outage', 'role': 'img', 'xmlns': _NAMESPACE,
             'viewBox': '%d %d %d %d' % (
                 -_MARGIN, top - _MARGIN, WIDTH + 2 * _MARGIN, height),
             'width': str(WIDTH + 2 * _MARGIN), 'height': str(height),
             'aria-labelledby': '%s-title %s-desc' % (name, name),
             'font-family': 'system-ui, "DejaVu Sans", Arial, sans-serif',
             'font-size': '11', 'fill': _INK})

    def draw(self) -> Any:
        report = self._report
        self._root.append(_E.title(
            '%s, %s' % (report.title, report.counts()),
            id=self._name + '-title'))
        self._root.append(_E.desc(self._describe(), id=self._name + '-desc'))
        self._rect(-_MARGIN, -_MARGIN, WIDTH + 2 * _MARGIN,
                   self._end + _FOOT + 2 * _MARGIN, '#ffffff')
        if self._is_headed:
            self._write(0, 14, '%s: %s' % (report.title, report.event), {
                'font-weight': 'bold', 'font-size': '13'})
            self._write(0, 30, report.counts())
            self._write(0, 44, text.budget(report))
        self._grid()
        self._gap()
        for number, server in enumerate(self._servers):
            self._draw_server(server, _HEAD + number * self._row)
        self._hold_up()
        self._legend()
        return self._root

    def _describe(self) -> str:
        """Say what is to be seen; the page has a table beside."""
        return '%s. %s' % (text.budget(self._report), '; '.join(
            '%s: %s' % (server.label, server.verdict)
            for server in self._servers[:30]) + (
                '; and %d more' % (len(self._servers) - 30)
                if len(self._servers) > 30 else ''))

    # -- what does not depend on servers --------------------------------------

    def _grid(self) -> None:
        self._write(_FIXATION[0], _HEAD - 24, 'Fixation, in milliseconds')
        for tick in self._scales.fixation.ticks(6):
            self._tick(self._x_ms(tick), '%g ms' % round(tick, 6))
        self._line(_FIXATION[0], self._end, _FIXATION[1], self._end, _INK)
        if self._scales.recovery is None:
            return
        self._write(_RECOVERY[0], _HEAD - 24, 'Recovery, in seconds')
        for tick in self._scales.recovery.ticks(4):
            self._tick(self._x_s(tick + self._scales.zero_s),
                       '%g s' % round(tick, 6))
        self._line(_RECOVERY[0], self._end, _RECOVERY[1], self._end, _INK)

    def _tick(self, x: float, label: str) -> None:
        self._line(x, _HEAD - 4, x, self._end + 4, '#cccccc')
        self._write(x, self._end + 15, label, {'text-anchor': 'middle',
                                               'font-size': '10'})

    def _gap(self) -> None:
        """The broken axis: nothing runs here."""
        if self._scales.recovery is None:
            return
        host = self._report.host
        started_s = host.started_s if host else None
        left, right = _BREAK[0] + 8, _BREAK[1] - 8
        middle = (left + right) / 2 if started_s is not None else right
        self._band('dark', left, middle, 'dark', self._scales.zero_s
                   if started_s is None else started_s)
        if started_s is not None:
            self._band('boot', middle, right, 'host starts',
                       self._scales.zero_s - started_s)
        for x in (left, right):
            self._zigzag(x)

    def _band(self, key: str, left: float, right: float, label: str,
              seconds: float) -> None:
        self._bar(key, left, right, _HEAD - 4, self._end - _HEAD + 8)
        for y, words in ((_HEAD - 24, label),
                         (_HEAD - 10, spans.show(seconds))):
            self._write((left + right) / 2, y, words,
                        {'text-anchor': 'middle', 'font-size': '10'})

    def _zigzag(self, x: float) -> None:
        top, bottom = _HEAD - 8, self._end + 8
        points = ['%g,%g' % (x + (3 if step % 2 else -3), y)
                  for step, y in enumerate(range(top, bottom + 1, 6))]
        self._root.append(_E.polyline(
            points=' '.join(points), fill='none', stroke='#ffffff',
            **{'stroke-width': '4'}))
        self._root.append(_E.polyline(
            points=' '.join(points), fill='none', stroke=_INK))

    def _hold_up(self) -> None:
        hold_up_ms = self._report.budget.hold_up_ms
        if self._scales.fixation.is_beyond(hold_up_ms):
            self._write(_FIXATION[1], _HEAD - 8, 'power lasts %s \u00bb' %
                        spans.show(hold_up_ms / 1e3),
                        {'text-anchor': 'end', 'font-weight': 'bold'})
            return
        x = self._x_ms(hold_up_ms)
        self._line(x, _HEAD - 6, x, self._end + 4, '#a00000',
                   {'stroke-width': '2', 'stroke-dasharray': '6 3'})
        self._write(
            x, _HEAD - 8, 'power lasts %s' % spans.show(hold_up_ms / 1e3), {
                'text-anchor': 'end' if x > sum(_FIXATION) / 2 else 'start',
                'font-weight': 'bold', 'fill': '#a00000'})

    def _legend(self) -> None:
        y = self._end + 14
        for title, phases in (('Fixation', _FIXATION_PHASES),
                              ('Recovery', _RECOVERY_PHASES)):
            if phases is _RECOVERY_PHASES and self._scales.recovery is None:
                continue
            y += 20
            self._write(0, y, title, {'font-weight': 'bold'})
            for number, (key, _instant, label) in enumerate(phases):
                x = 66 + number * 180
                self._bar(key, x, x + 22, y - 9, 11)
                self._write(x + 28, y, label)
        y += 20
        if self._scales.recovery is not None:
            self._triangle(72, y - 9, 11)
            self._write(94, y, 'first instruction')
        self._write(246, y, '\u00d7')
        self._write(274, y, 'not fixated or resumed')
        self._write(426, y, '\u00bb')
        self._write(454, y, 'goes on beyond the axis')

    # -- servers --------------------------------------------------------------

    def _draw_server(self, server: model.Server, top: float) -> None:
        group = _E.g(_E.title(_full(server)))
        self._root, root = group, self._root
        y, height = (top, self._row) if self._thin else (top + 3, 12)
        if not self._thin:
            self._write(_LABEL, top + 13, _shortened(server.label),
                        {'text-anchor': 'end', 'unicode-bidi': 'isolate'})
            is_trouble = server.verdict in model.TROUBLE
            self._write(_VERDICT, top + 13,
                        ('! ' if is_trouble else '') + server.verdict,
                        {'font-weight': 'bold'} if is_trouble else {})
        self._draw_fixation(server.fixation, y, height)
        if server.recovery:
            self._draw_recovery(server.recovery, y, height,
                                server.verdict in model.TROUBLE)
        self._root = root
        root.append(group)

    def _draw_fixation(self, fixation: model.Fixation, y: float,
                       height: float) -> None:
        last = 0.0
        for key, instant, _label in _FIXATION_PHASES:
            end = getattr(fixation, instant)
            if end is not None:
                self._bar(key, self._x_ms(last), self._x_ms(end), y, height)
                last = end
        x = self._x_ms(last)
        if self._thin:
            return
        if self._scales.fixation.is_beyond(last):
            self._write(x, y + 10, '\u00bb %s ' % spans.ms(last), {
                'text-anchor': 'end', 'font-weight': 'bold',
                'stroke': '#ffffff', 'stroke-width': '3',
                'paint-order': 'stroke'})
        elif fixation.result in (None, 'failed'):
            self._write(x + 4, y + 10, '\u00d7', {'font-weight': 'bold'})

    def _draw_recovery(self, recovery: model.Recovery, y: float,
                       height: float, is_trouble: bool) -> None:
        axis, zero_s = self._scales.recovery, self._scales.zero_s
        if axis is None:
            return
        last = zero_s
        for key, instant, _label in _RECOVERY_PHASES:
            end = getattr(recovery, instant)
            if end is not None:
                self._bar(key, self._x_s(last), self._x_s(end), y, height)
                last = max(last, end)
        end = recovery.running_s or recovery.ended_s or last
        if axis.is_beyond(end - zero_s) and not self._thin:
            self._write(_RECOVERY[1], y + 10, '\u00bb %s ' % spans.show(
                end - zero_s), {
                    'text-anchor': 'end', 'font-weight': 'bold',
                    'stroke': '#ffffff', 'stroke-width': '3',
                    'paint-order': 'stroke'})
        elif recovery.running_s is not None:
            self._triangle(self._x_s(recovery.running_s), y, height)
        elif is_trouble and not self._thin:
            self._write(self._x_s(end) - 3, y + 10, '\u00d7',
                        {'font-weight': 'bold'})

    def _bar(self, key: str, left: float, right: float, y: float,
             height: float) -> None:
        if right <= left:
            return
        right = max(right, left + _SHORTEST)
        is_thin = height == _THIN_ROW
        self._root.append(_E.rect(
            {'x': '%g' % round(left, 2), 'y': '%g' % y,
             'width': '%g' % round(right - left, 2), 'height': '%g' % height,
             'fill': _FILLS[key], 'stroke': 'none' if is_thin else _GREY,
             'stroke-width': '0.5', 'class': key}))
        if key in _TEXTURES and not is_thin:
            part, dashes, colour = _TEXTURES[key]
            middle = y + height / 2
            self._line(left, middle, right, middle, colour, {
                'stroke-width': '%g' % (part * height),
                **({'stroke-dasharray': dashes} if dashes else {})})

    def _triangle(self, x: float, y: float, height: float) -> None:
        self._root.append(_E.path(
            d='M%g %gl%g %gl%g %gz' % (round(x, 2), y, height * 0.8,
                                       height / 2, -height * 0.8, height / 2),
            fill=_INK))

    # -- pieces ---------------------------------------------------------------

    def _x_ms(self, milliseconds: float) -> float:
        left, right = _FIXATION
        return left + self._scales.fixation.part(
            milliseconds) * (right - left - 12)

    def _x_s(self, seconds: float) -> float:
        left, right = _RECOVERY
        assert self._scales.recovery is not None
        return left + self._scales.recovery.part(
            seconds - self._scales.zero_s) * (right - left - 12)

    def _rect(self, x: float, y: float, width: float, height: float,
              fill: str) -> None:
        self._root.append(_E.rect(
            x='%g' % x, y='%g' % y, width='%g' % width,
            height='%g' % height, fill=fill))

    def _line(self, x1: float, y1: float, x2: float, y2: float, colour: str,
              attributes: abc.Mapping[str, str] | None = None) -> None:
        self._root.append(_E.line(
            {'x1': '%g' % round(x1, 2), 'y1': '%g' % y1,
             'x2': '%g' % round(x2, 2), 'y2': '%g' % y2, 'stroke': colour,
             **(attributes or {})}))

    def _write(self, x: float, y: float, words: str,
               attributes: abc.Mapping[str, str] | None = None) -> None:
        self._root.append(_E.text(
            words, {'x': '%g' % round(x, 2), 'y': '%g' % y,
                    **(attributes or {})}))


def _shortened(label: str) -> str:
    """Leave out the middle of a label that is too wide."""
    if _width(label) <= _LABEL:
        return label
    half = len(label) // 2
    while half and _width(label[:half] + label[-half:]) > _LABEL - 11:
        half -= 1
    return '%s\u2026%s' % (label[:half], label[-half:])


def _width(label: str) -> float:
    """Pixels that a label needs at most, in fonts that are used mostly."""
    return sum(11.0 if unicodedata.east_asian_width(one) in 'WF' or
               one in 'mwMW@%' else 8.5 if one.isupper() else 6.6
               for one in label)


def _full(server: model.Server) -> str:
    return '%s (%s): %s%s' % (
        server.label, server.name, server.verdict,
        ', %s' % server.reason if server.reason else '')
