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

"""How the C files of libvpm may include each other, and what they export.

A C file and its header are one *part*. A part may include others, but never
one that includes it, directly or over others.
"""

import re

import pytest

from tests.framework import native_build

# Folder: the folders whose headers may be included.
ALLOWED = {
    'include': {'include'},
    'media': {'include', 'media'},
    'pool': {'include', 'media', 'pool'},
    'pager': {'include', 'media', 'pager'},
    'preload': {'include', 'media', 'pager', 'preload'},
    'engine': {'include', 'media', 'pool', 'engine'},
    'program': {'include', 'media', 'pool', 'engine', 'program'},
}

# Names that are not ours: those of the papers, that of every program, and what
# is interposed.
OTHER_NAMES = {'nvalloc', 'nvalloc_vpm', 'nvfree', 'main'}
INTERPOSED = {'mmap', 'mmap64', 'madvise', 'munmap'}

# A header of the kernel driver, beside nova_temporality/.
FOREIGN = {'pod.h'}


def files(suffix):
    return sorted(native_build.NATIVE.glob('*/*' + suffix))


def includes(text):
    return re.findall(r'^#include "([^"]+)"', text, re.MULTILINE)


def parts(paths):
    """Return a dict from each part to the set of those that it includes."""
    graph = {}
    for path in paths:
        needs = graph.setdefault(path.stem, set())
        needs |= {name.removesuffix('.h')
                  for name in includes(path.read_text())
                  if name not in FOREIGN}
        needs.discard(path.stem)
    return graph


def circle(graph):
    """Return a list of parts that include each other in a circle, or None."""
    def visit(part, way):
        if part in way:
            return way[way.index(part):]
        if part in done:
            return None
        for other in sorted(graph.get(part, ())):
            found = visit(other, [*way, part])
            if found:
                return found
        done.add(part)
        return None

    done = set()
    for part in sorted(graph):
        found = visit(part, [])
        if found:
            return found
    return None


def purpose(path):
    """Return what the first comment of a file says it is for, or None."""
    found = re.match(r'/\* SPDX-License-Identifier: Apache-2\.0 \*/\n'
                     r'/\* %s -- (\S.*)' % re.escape(path.name),
                     path.read_text())
    return found and found.group(1)


def exported(source):
    """Return the names of the functions and variables that others can use."""
    output = native_build.run(
        ['nm', '--defined-only', '--extern-only', '--format=posix',
         native_build.object_file(source, 'plain')])
    return {line.split()[0] for line in output.splitlines()}


@pytest.mark.parametrize('graph, expected', [
    ({'a': {'b'}, 'b': {'c'}, 'c': set()}, None),
    ({'a': {'b', 'c'}, 'b': {'c'}, 'c': set()}, None),
    ({'a': {'b'}, 'b': {'c'}, 'c': {'b'}}, ['b', 'c']),
    ({'a': {'a'}}, ['a']),
])
def test_circles_are_found(graph, expected):
    assert circle(graph) == expected


def test_a_file_and_its_header_are_one_part(tmp_path):
    for name, include in (('a.h', ''), ('a.c', '#include "b.h"\n'),
                          ('b.h', '#include "a.h"\n')):
        (tmp_path / name).write_text(include)
    assert circle(parts(tmp_path.iterdir())) == ['a', 'b']


def test_there_is_no_circle():
    assert circle(parts(files('.[ch]'))) is None


def test_names_are_unique():
    for suffix in '.c', '.h':
        names = [path.name for path in files(suffix)]
        assert len(names) == len(set(names))


def test_only_allowed_folders_are_included():
    folders = {header.name: header.parent.name for header in files('.h')}
    for path in files('.[ch]'):
        for name in set(includes(path.read_text())) - FOREIGN:
            assert folders[name] in ALLOWED[path.parent.name], (path, name)


def test_every_file_says_its_purpose():
    assert not [path for path in files('.[ch]') if not purpose(path)]


def test_every_source_has_its_header():
    """It comes first, so that it is seen to need no other header before it."""
    for source in files('.c'):
        assert source.with_suffix('.h').exists(), source
        first = re.search('^#include (.*)', source.read_text(), re.MULTILINE)
        assert first.group(1) == '"%s.h"' % source.stem, source


@pytest.mark.parametrize('source', files('.c'), ids=lambda path: path.name)
def test_exported_names_have_the_prefix(source):
    names = exported(source) - OTHER_NAMES
    if source.parent.name == 'preload':
        names -= INTERPOSED
    assert not [name for name in names if not name.startswith('vpm_')]
