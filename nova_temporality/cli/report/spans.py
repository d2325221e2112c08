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

"""Spans of time, for people."""

_UNITS = ((86400, 'd'), (3600, 'h'), (60, 'min'), (1, 's'))


def show(seconds: float) -> str:
    """Say how long something took: "9.1 ms", "31.2 s", "4 min 57 s"."""
    if seconds < 0:
        return '-' + show(-seconds)
    if seconds < 1:
        return ms(seconds * 1e3)
    if seconds < 59.95:
        return '%.1f s' % seconds
    left = round(seconds)
    for position, (size, name) in enumerate(_UNITS[:-1]):
        if left >= size:
            smaller, smaller_name = _UNITS[position + 1]
            rest = left % size // smaller
            return '%d %s' % (left // size, name) + (
                ' %d %s' % (rest, smaller_name) if rest else '')
    return '%d s' % left


def ms(milliseconds: float) -> str:
    """Say how many milliseconds something took; a second is "1.0 s"."""
    if milliseconds >= 1000:
        return show(milliseconds / 1e3)
    return ('%.1f ms' if milliseconds < 99.95 else '%.0f ms') % milliseconds
