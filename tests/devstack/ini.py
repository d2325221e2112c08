#!/usr/bin/env python3
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

"""iniset, iniset_multiline and iniget of the harness."""

import re
import sys


def _lines(path):
    try:
        with open(path) as stream:
            return stream.read().splitlines()
    except FileNotFoundError:
        return []


def _body(lines, section):
    """First and last + 1 line of a section, which is made if need be."""
    header = '[%s]' % section
    if header not in lines:
        lines.append(header)
    start = lines.index(header) + 1
    for end in range(start, len(lines)):
        if lines[end].startswith('['):
            return start, end
    return start, len(lines)


def _is(line, name):
    return re.match(r'\s*%s\s*=' % re.escape(name), line)


def get(path, section, name):
    """Print an option's values."""
    lines = _lines(path)
    start, end = _body(lines, section)
    for line in lines[start:end]:
        if _is(line, name):
            print(line.partition('=')[2].strip())


def set_(path, section, name, *values):
    """Give an option these values and no others."""
    lines = _lines(path)
    start, end = _body(lines, section)
    lines[start:end] = ['%s = %s' % (name, value) for value in values] + [
        line for line in lines[start:end] if not _is(line, name)]
    with open(path, 'w') as stream:
        stream.write('\n'.join(lines) + '\n')


if __name__ == '__main__':
    {'get': get, 'set': set_}[sys.argv[1]](*sys.argv[2:])
