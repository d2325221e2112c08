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

"""Pieces of which the picture of an outage is drawn.

Each function adds to an element of SVG. Positions and sizes are in pixels.
"""

from collections import abc
from typing import Any
import unicodedata

from lxml import builder

E: Any = builder.ElementMaker()

INK = '#1a1a1a'
PAPER = '#ffffff'
_GREY = '#595959'
_FILLS = {'wait': PAPER, 'stop': '#f2c14e', 'save': '#5b9bd5',
          'mark': '#12355b', 'queue': PAPER, 'start': '#cfe8cf',
          'load': '#57a773', 'run': '#1b4332', 'dark': '#3a3a3a',
          'boot': '#e4e4e4'}
# What is drawn on a fill, by a line along its middle: the line's width as a
# part of the bar's height, its dashes, its colour. (Elements "pattern" would
# do the same, and make printed pages of hundreds of megabytes.)
_TEXTURES = {'stop': (1.0, '1 4', INK), 'save': (0.25, '3 3', INK),
             'start': (0.1, '', INK), 'load': (1.0, '2 2', INK),
             'dark': (1.0, '1 5', '#8c8c8c'), 'boot': (1.0, '1 7', '#8c8c8c')}

# The shortest bar that is seen, and the lowest that has more than a colour.
_SHORTEST = 1.5
_LOWEST = 6
# Of a tooth of a broken axis.
_TOOTH = 6

_Attributes = abc.Mapping[str, str]


def rect(to: Any, x: float, y: float, width: float, height: float,
         fill: str) -> None:
    """Add a plain rectangle."""
    to.append(E.rect(x=_show(x), y=_show(y), width=_show(width),
                     height=_show(height), fill=fill))


def line(to: Any, x1: float, y1: float, x2: float, y2: float, colour: str,
         attributes: _Attributes | None = None) -> None:
    """Add a line."""
    to.append(E.line({'x1': _show(x1), 'y1': _show(y1), 'x2': _show(x2),
                      'y2': _show(y2), 'stroke': colour,
                      **(attributes or {})}))


def write(to: Any, x: float, y: float, words: str,
          attributes: _Attributes | None = None) -> None:
    """Add words; x and y are where their baseline begins."""
    to.append(E.text(words, {'x': _show(x), 'y': _show(y),
                             **(attributes or {})}))


def bar(to: Any, kind: str, left: float, right: float, y: float,
        height: float) -> None:
    """Add a bar of a kind, unless it has no length at all."""
    if right <= left:
        return
    right = max(right, left + _SHORTEST)
    is_low = height < _LOWEST
    to.append(E.rect({
        'x': _show(left), 'y': _show(y), 'width': _show(right - left),
        'height': _show(height), 'fill': _FILLS[kind],
        'stroke': 'none' if is_low else _GREY, 'stroke-width': '0.5',
        'class': kind}))
    if kind in _TEXTURES and not is_low:
        part, dashes, colour = _TEXTURES[kind]
        middle = y + height / 2
        line(to, left, middle, right, middle, colour, {
            'stroke-width': _show(part * height),
            **({'stroke-dasharray': dashes} if dashes else {})})


def arrow(to: Any, x: float, y: float, height: float) -> None:
    """Add an arrow to the right."""
    width, half = _show(height * 0.8), _show(height / 2)
    to.append(E.path(d='M%s %sl%s %sl-%s %sz' % (
        _show(x), _show(y), width, half, width, half), fill=INK))


def zigzag(to: Any, x: float, top: float, bottom: float) -> None:
    """Add a zigzag, where an axis is broken."""
    points = ' '.join(
        '%s,%s' % (_show(x + (3 if tooth % 2 else -3)),
                   _show(top + tooth * _TOOTH))
        for tooth in range(int(bottom - top) // _TOOTH + 1))
    for colour, width in ((PAPER, '4'), (INK, '1')):
        to.append(E.polyline({'points': points, 'fill': 'none',
                              'stroke': colour, 'stroke-width': width}))


def shortened(label: str, width: float) -> str:
    """Leave out the middle of a label that is too wide."""
    if _width(label) <= width:
        return label
    half = len(label) // 2
    while half and _width(label[:half] + label[-half:]) > width - 11:
        half -= 1
    return '%s\u2026%s' % (label[:half], label[-half:] if half else '')


def _width(label: str) -> float:
    """What a label needs at most, in fonts that are used mostly."""
    return sum(11.0 if unicodedata.east_asian_width(one) in 'WF' or
               one in 'mwMW@%' else 8.5 if one.isupper() else 6.6
               for one in label)


def _show(number: float) -> str:
    return '%g' % round(number, 2)
