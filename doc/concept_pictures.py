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

"""python doc/concept_pictures.py: the pictures of processes and of states.

What is in them is at the end of this file.
"""

import pathlib

from lxml import builder
from lxml import etree

STATIC = pathlib.Path(__file__).parent / 'source' / '_static'

INK = '#222222'
LINE = 15  # pixels
# What a box is, by its colours: filling and border.
OURS = ('#dcebf7', '#2a6496')
OTHERS = ('#eeeeee', '#555555')
DURABLE = ('#d9ead3', '#38761d')
DANGER = ('#f4cccc', '#a61c00')

E = builder.ElementMaker(namespace='http://www.w3.org/2000/svg',
                         nsmap={None: 'http://www.w3.org/2000/svg'})


class Picture:
    """Boxes with words, and arrows between them.

    :param name: of the file, without its suffix
    :param title: what is to be seen, for those who do not see it
    """

    def __init__(self, name: str, title: str, width: int,
                 height: int) -> None:
        self.path = STATIC / (name + '.svg')
        self._root = E.svg(
            {'viewBox': '0 0 %d %d' % (width, height), 'role': 'img',
             'font-family': 'sans-serif', 'font-size': '12', 'fill': INK},
            E.title(title),
            E.defs(E.marker(
                E.path(d='M0 0L8 4L0 8z', fill='#444'),
                id='a', viewBox='0 0 8 8', refX='7', refY='4',
                markerWidth='7', markerHeight='7', orient='auto')),
            E.rect(width=str(width), height=str(height), fill='#ffffff'))

    def box(self, x: int, y: int, width: int, height: int,
            colours: tuple[str, str], name: str, *words: str) -> None:
        """Draw a box; its name is in bold, and a line for each word."""
        self._root.append(E.rect(
            x=str(x), y=str(y), width=str(width), height=str(height), rx='6',
            fill=colours[0], stroke=colours[1]))
        self.words(x + 10, y + 19, name, weight='bold')
        for number, line in enumerate(words):
            self.words(x + 10, y + 37 + number * LINE, line)

    def words(self, x: int, y: int, text: str, weight: str = 'normal',
              anchor: str = 'start') -> None:
        """Write a line."""
        self._root.append(E.text(
            text, {'x': str(x), 'y': str(y), 'font-weight': weight,
                   'text-anchor': anchor}))

    def arrow(self, path: str) -> None:
        """Draw a line with a head, by a path of SVG."""
        self._root.append(E.path(
            {'d': path, 'stroke': '#444', 'fill': 'none',
             'marker-end': 'url(#a)'}))

    def text(self) -> str:
        """Return the whole as a file's text."""
        return etree.tostring(self._root, encoding='unicode',
                              pretty_print=True)


def processes() -> Picture:
    """Who runs on a compute host, as whom, and what they speak through."""
    one = Picture(
        'processes', 'Processes of a compute host: sources of power tell the '
        'notifier or the engine; the engine stops and saves the QEMUs through '
        'fixate.sock; nova-compute starts them through libvirt', 960, 500)
    one.box(10, 20, 190, 106, OTHERS, 'power', 'UPS, bus, your own',
            '(sources of the notifier)', '', 'signal 44, /dev/pod, GPIO')
    one.box(300, 20, 250, 106, OURS, 'temporality-notifier',
            'root; few capabilities', 'watches power and servers',
            'notifier.sock, 0600: for root')
    one.box(300, 190, 250, 106, OURS, 'temporality-engine',
            'root; real-time, locked memory', 'fixates armed servers',
            'engine.sock, 0600: for root')
    one.box(690, 20, 260, 276, OTHERS, 'QEMU, one for each server',
            'a user id of its own: 1900000000 + n', 'group: libvirt-qemu', '',
            'below /run/temporality/qmp/UUID:', '', 'watch.sock', '', '', '',
            '', 'fixate.sock', '', '', 'recover.sock')
    one.box(10, 350, 190, 106, OTHERS, 'nova-compute', 'user nova',
            'Temporality\u2019s driver in it', '', 'libvirt: domains')
    one.box(300, 350, 250, 106, OURS, 'privileged helper',
            'of nova-compute: root; five capabilities',
            'regions, run lock, loading of states')
    one.box(690, 350, 260, 126, DURABLE, 'the pool, in NVRAM',
            'pool, conf: root', 'regions/ID/ram: the server\u2019s user id',
            'regions/ID/state: root', 'swap file (on a disk):',
            'the server\u2019s user id')
    one.arrow('M200 60H298')
    one.words(250, 54, 'good, warn,', anchor='middle')
    one.words(250, 76, 'commit', anchor='middle')
    one.arrow('M105 126V230H298')
    one.words(115, 222, 'fires at once')
    one.arrow('M425 126V188')
    one.words(433, 152, 'engine.sock:')
    one.words(433, 167, 'arms, asks')
    one.arrow('M550 124H688')
    one.words(620, 116, 'looks', anchor='middle')
    one.arrow('M550 208H688')
    one.words(620, 200, 'stop, save', anchor='middle')
    one.arrow('M550 270C640 270 620 372 688 372')
    one.words(562, 262, 'state, marker')
    one.arrow('M820 296V348')
    one.words(828, 327, 'maps ram')
    one.arrow('M200 400H298')
    one.words(250, 392, 'privsep', anchor='middle')
    one.arrow('M550 420H688')
    one.words(620, 412, 'allocates, proves', anchor='middle')
    one.arrow('M550 364C660 364 600 254 688 254')
    one.words(680, 247, 'load', anchor='end')
    return one


def states() -> Picture:
    """What "temporality status" shows of a server, and what changes it."""
    one = Picture(
        'states', 'States of a persistent server: off, not armed, armed, '
        'fixated, stopped; power that fails leads from armed to fixated, or '
        'to stopped if the fixation fails', 960, 420)
    one.box(20, 60, 200, 76, OTHERS, 'off', 'no QEMU runs it:',
            'switched off, or suspended')
    one.box(370, 60, 200, 76, DANGER, 'not armed', 'it runs; power that fails',
            'may cost its memory')
    one.box(740, 60, 200, 76, OURS, 'armed', 'it runs, and can be',
            'fixated at any moment')
    one.box(740, 290, 200, 76, DURABLE, 'fixated', 'it stands still;',
            'its state is proven')
    one.box(370, 290, 200, 76, DANGER, 'stopped', 'it stands still;',
            'its fixation failed')
    one.box(20, 290, 200, 76, OTHERS, 'dark, then recovery',
            'proven: it runs on', 'unproven: ERROR')
    one.arrow('M220 88H368')
    one.words(294, 80, 'start, resume', anchor='middle')
    one.arrow('M370 118H222')
    one.words(294, 134, 'stop', anchor='middle')
    one.arrow('M570 88H738')
    one.words(654, 80, 'all is ready', anchor='middle')
    one.arrow('M740 118H572')
    one.words(654, 134, 'a blocker, a change', anchor='middle')
    one.arrow('M870 136V288')
    one.words(878, 216, 'power fails')
    one.arrow('M800 290V138')
    one.words(792, 200, 'power is back,', anchor='end')
    one.words(792, 215, 'or a drill ends', anchor='end')
    one.arrow('M740 136C700 180 660 270 572 308')
    one.words(628, 190, 'power fails, and', anchor='end')
    one.words(628, 205, 'a disk or QEMU hangs', anchor='end')
    one.arrow('M440 290V138')
    one.words(448, 236, 'power is back')
    one.arrow('M840 366V400H120V368')
    one.words(480, 394, 'power is gone', anchor='middle')
    one.arrow('M370 340H222')
    one.words(296, 332, 'power is gone', anchor='middle')
    one.arrow('M120 290V208H400V138')
    one.words(130, 200, 'runs on, or hard reboot')
    one.arrow('M840 60V30H120V58')
    one.words(480, 24, 'suspend (fixated first)', anchor='middle')
    return one


PICTURES = (processes, states)

if __name__ == '__main__':
    for picture in PICTURES:
        picture().path.write_text(picture().text(), encoding='utf-8')
