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

"""The events of a power cut, with their times."""

import time

WIDTH = 78


class Timeline:
    """Notes events, prints them at once, and prints them again at the end.

    :param say: prints a line
    """

    def __init__(self, say=print):
        self._say = say
        self._began = time.time()
        self._events = []
        self._zero = self._began

    def section(self, title):
        """Begin a new section."""
        self._heading(title)
        self._events.append((None, title))

    def _heading(self, title):
        self._say('')
        self._say('== %s %s' % (title, '=' * (WIDTH - 4 - len(title))))

    def note(self, text, when=None):
        """Note an event of now, or of a given time.time()."""
        when = when or time.time()
        self._events.append((when, text))
        self._say('   %7.1f s  %s' % (when - self._began, text))

    def power_fails(self):
        """Note that all times shall be relative to this moment."""
        self._zero = time.time()

    def print_all(self):
        """Print all events, in seconds before and after the cut."""
        self._heading('All events, in seconds from the power failure')
        for when, text in self._events:
            if when is None:
                self._say('')
                self._say(text)
            else:
                self._say('  %+9.3f s  %s' % (when - self._zero, text))


def table(header, rows):
    """Lines of a table whose first column names the others' values."""
    rows = [header] + rows
    widths = [max(len(str(row[i])) for row in rows)
              for i in range(len(header))]
    lines = ['  '.join(str(cell).ljust(width)
                       for cell, width in zip(row, widths)).rstrip()
             for row in rows]
    return [lines[0], '-' * max(len(line) for line in lines)] + lines[1:]
