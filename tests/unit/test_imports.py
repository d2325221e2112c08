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

"""Which module needs which: no circles, and only downwards.

What is imported inside of a function counts as well: it hides a circle, and
does not undo it.
"""

import ast
import pathlib

import nova_temporality

PACKAGE = 'nova_temporality'
TOP = pathlib.Path(nova_temporality.__file__).parent

# Rooms, from the ground up. A module may import from its own room and from
# those below, not from beside or above.
ORDER = (
    {'conf', 'exception', 'native', 'version'},
    # what may be asked for; libvpm
    {'spec', 'vpm'},
    # what the processes of a host share
    {'host'},
    # where a pool in DRAM is kept over reboots
    {'vault'},
    # how to speak with QEMU
    {'qemu'},
    {'snapshot'},
    # the daemon, and the client by which others ask it
    {'notifier'},
    # nova-compute's part as root, which asks it, too
    {'privsep'},
    # what Nova calls
    {'scheduler', 'virt'},
    # what people call
    {'cli', 'cmd', 'tempest_plugin'},
)


def name_of(path):
    parts = [PACKAGE, *path.relative_to(TOP).with_suffix('').parts]
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imported(source, modules):
    """Those of some modules that a source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, 'relative import'
            names = [name if name in modules else node.module
                     for name in ('%s.%s' % (node.module, alias.name)
                                  for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name in modules)


def graph():
    sources = {name_of(path): path.read_text() for path in TOP.rglob('*.py')}
    return {name: sorted(set(imported(source, sources)))
            for name, source in sources.items()}


def circle(edges):
    """A circle in a graph, as the list of what is on it; None without one."""
    done = set()

    def visit(one, path):
        if one in path:
            return path[path.index(one):] + [one]
        if one in done:
            return None
        for other in edges[one]:
            found = visit(other, path + [one])
            if found:
                return found
        done.add(one)
        return None

    for one in sorted(edges):
        found = visit(one, [])
        if found:
            return found
    return None


def room(name):
    return name.split('.')[1]


def test_no_circles():
    assert circle(graph()) is None


def test_every_room_has_its_place():
    rooms = {room(name) for name in graph() if name != PACKAGE}
    assert rooms == set().union(*ORDER)
    assert sum(len(level) for level in ORDER) == len(rooms)


def test_only_downwards():
    level = {one: number for number, rooms in enumerate(ORDER)
             for one in rooms}
    against = [
        '%s imports %s' % (name, other)
        for name, others in graph().items() for other in others
        if room(name) != room(other) and (
            level[room(name)] <= level[room(other)])]
    assert against == []


def test_what_is_imported_is_seen():
    modules = {'a', 'a.b', 'a.b.c', 'd'}
    source = ('import os, d\n'
              'from a import b\n'
              'def function():\n'
              '    from a.b import c\n'
              '    from a.b import NAME\n')
    assert sorted(imported(source, modules)) == ['a.b', 'a.b', 'a.b.c', 'd']
    assert 'nova_temporality.vpm.pool' in graph()['nova_temporality.vpm']
    # inside of a function
    assert 'nova_temporality.virt.conductor' in graph()[
        'nova_temporality.cli.snapshot']


def test_circles_are_seen():
    assert circle({'a': ['b', 'c'], 'b': ['c'], 'c': []}) is None
    assert circle({'a': ['b'], 'b': ['c'], 'c': ['b']}) == ['b', 'c', 'b']
