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

"""One server's row in the picture of an outage."""

from typing import Any

from nova_temporality.cli.report import layout
from nova_temporality.cli.report import model
from nova_temporality.cli.report import pieces
from nova_temporality.cli.report import scale
from nova_temporality.cli.report import spans
from nova_temporality.notifier.pvm import attempts

# Phases: kind of the bar, the model's instant at its end, words.
FIXATION = (
    ('wait', 'command_ms', 'waits for its wave'),
    ('stop', 'stopped_ms', 'vCPUs stop, disks drain'),
    ('save', 'saved_ms', 'QEMU saves'),
    ('mark', 'fixated_ms', 'caches, checksum, marker'),
)
RECOVERY = (
    ('queue', 'began_s', 'waits for its turn'),
    ('start', 'started_s', 'empty QEMU starts'),
    ('load', 'loaded_s', 'loads its state'),
    ('run', 'running_s', 'vCPUs start'),
)

FAILED = '\u00d7'
BEYOND = '\u00bb'

_BOLD = {'font-weight': 'bold'}
_ON_A_BAR = {**_BOLD, 'text-anchor': 'end', 'stroke': pieces.PAPER,
             'stroke-width': '3', 'paint-order': 'stroke'}


def draw(to: Any, server: model.Server, top: float, places: layout.Layout,
         is_thin: bool) -> None:
    """Add a row.

    :param to: an element of SVG
    :param is_thin: whether it has no words
    """
    group = pieces.E.g(pieces.E.title('%s (%s): %s%s' % (
        server.label, server.name, server.verdict,
        ', %s' % server.reason if server.reason else '')))
    to.append(group)
    y, height = (top, layout.THIN_ROW) if is_thin else (top + 3, 12)
    is_trouble = server.verdict in model.TROUBLE
    _fixation(group, server.fixation, y, height, places)
    if server.recovery and places.scales.recovery:
        _recovery(group, server.recovery, y, height, places,
                  places.scales.recovery)
    if is_thin:
        return
    _fixation_words(group, server.fixation, y + 10, places)
    if server.recovery and places.scales.recovery:
        _recovery_words(group, server.recovery, y + 10, places,
                        places.scales.recovery, is_trouble)
    pieces.write(group, layout.NAMES_END, y + 10, pieces.shortened(
        server.label, layout.NAMES_END), {
            'text-anchor': 'end', 'unicode-bidi': 'isolate'})
    pieces.write(group, layout.VERDICTS, y + 10,
                 ('! ' if is_trouble else '') + server.verdict,
                 _BOLD if is_trouble else None)


def _fixation(to: Any, fixation: model.Fixation, y: float, height: float,
              places: layout.Layout) -> None:
    last = 0.0
    for kind, instant, _words in FIXATION:
        end = getattr(fixation, instant)
        if end is not None:
            pieces.bar(to, kind, places.x_ms(last), places.x_ms(end), y,
                       height)
            last = end


def _fixation_words(to: Any, fixation: model.Fixation, y: float,
                    places: layout.Layout) -> None:
    end = fixation.last_ms
    if places.scales.fixation.is_beyond(end):
        pieces.write(to, places.x_ms(end), y, '%s %s ' % (
            BEYOND, spans.ms(end)), _ON_A_BAR)
    elif fixation.result in (None, attempts.FAILED):
        pieces.write(to, places.x_ms(end) + 4, y, FAILED, _BOLD)


def _recovery(to: Any, recovery: model.Recovery, y: float, height: float,
              places: layout.Layout, axis: scale.Axis) -> None:
    last = places.scales.zero_s
    for kind, instant, _words in RECOVERY:
        end = getattr(recovery, instant)
        if end is not None:
            pieces.bar(to, kind, places.x_s(axis, last),
                       places.x_s(axis, end), y, height)
            last = max(last, end)
    if recovery.running_s is not None and not axis.is_beyond(
            recovery.running_s - places.scales.zero_s):
        pieces.arrow(to, places.x_s(axis, recovery.running_s), y, height)


def _recovery_words(to: Any, recovery: model.Recovery, y: float,
                    places: layout.Layout, axis: scale.Axis,
                    is_trouble: bool) -> None:
    end = recovery.running_s or recovery.ended_s
    if end is None:
        return
    after = end - places.scales.zero_s
    if axis.is_beyond(after):
        pieces.write(to, layout.RECOVERY[1], y, '%s %s ' % (
            BEYOND, spans.show(after)), _ON_A_BAR)
    elif is_trouble and recovery.running_s is None:
        pieces.write(to, places.x_s(axis, end) - 3, y, FAILED, _BOLD)
