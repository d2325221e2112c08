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

"""Builds libvpm's native tests."""

import functools
import hashlib
import os
import pathlib
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parents[1] / 'native'
NATIVE = HERE.parents[1] / 'nova_temporality' / 'native'
FOLDERS = ('include', 'media', 'pool', 'pager', 'preload', 'engine',
           'program')
CRASHED = 77  # crash.h

FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-g', '-Wall', '-Wextra', '-Werror',
         '-pthread', '-I%s' % (HERE.parents[1] / 'pod'),
         *['-I%s' % (NATIVE / name) for name in FOLDERS]]

VARIANTS = {
    # As it is shipped, but for -Werror.
    'plain': ['-O2'],
    'sanitized': ['-O1', '-fno-omit-frame-pointer',
                  '-fsanitize=address,undefined',
                  '-fno-sanitize-recover=all'],
    # It does not know fences, of which only readers of the TOC have one.
    'threads': ['-O1', '-fsanitize=thread', '-Wno-tsan'],
}

# The explorer tells sites in the code apart by the calls that lead to them.
# Small regions make for small images.
EXPLORER_FLAGS = ['-DFRAMES_MIN=2', '-DSPARE_SLOTS(pages)=3',
                  '-DVPM_RING_ENTRIES=2', '-DVPM_DRAIN_CHUNK=2048',
                  '-O1',
                  '-fno-optimize-sibling-calls', '-no-pie',
                  '-Wl,--wrap=vpm_map_open,--wrap=vpm_map_close,'
                  '--wrap=vpm_map_medium,--wrap=vpm_pool_is_paused,'
                  '--wrap=getrandom']

# What a test program needs beside that is said in the program itself, by lines
# such as these (of which all may be missing):
#
#   /* build: threads */             also with the variant of that name
#   /* build: wrap malloc,openat */  the linker's --wrap: calls can be counted
#   /* build: without hash.c */      a file of libvpm is replaced by the test
#
# It is linked with those helpers of this directory whose headers it includes.
BUILD_LINE = re.compile(r'^/\* build: (\w+) ?(\S*) \*/$', re.MULTILINE)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def tests():
    """Return the names of all native test programs."""
    return sorted(path.stem for path in HERE.glob('test_*.c'))


def needs(name):
    """Return what a program says that it needs: a dict of lists of words."""
    text = (HERE / (name + '.c')).read_text()
    found = {key: words.split(',') for key, words in BUILD_LINE.findall(text)}
    assert found.keys() <= {'threads', 'wrap', 'without'}, name
    return found


def helpers(source):
    """Return the C files whose headers a file includes, also over others."""
    found = set()
    todo = [source]
    while todo:
        for name in INCLUDE.findall(todo.pop().read_text()):
            header = HERE / name
            helper = header.with_suffix('.c')
            if header.exists() and helper.exists() and helper not in found:
                found.add(helper)
                todo += [header, helper]
    return sorted(found)


def run(command):
    """Run a command; its output becomes the message when it fails."""
    result = subprocess.run([str(word) for word in command],
                            stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == 0, '%s: status %d\n%s' % (
        command[0], result.returncode, result.stdout)
    return result.stdout


@functools.lru_cache(maxsize=None)
def directory():
    """Return a directory that goes with the process."""
    return tempfile.TemporaryDirectory(prefix='vpm-native-')


def sources(*folders):
    """Return the paths of all C files in these folders of libvpm."""
    return [source for folder in folders
            for source in sorted(NATIVE.glob(folder + '/*.c'))]


def object_file(source, variant):
    """Compile a C file; return the path of the object file."""
    target = pathlib.Path(directory().name) / (
        '%s-%s.o' % (source.stem, variant))
    if not target.exists():
        run(['cc', *FLAGS, *VARIANTS[variant], '-c', source, '-o', target])
    return target


def program(name, variant):
    """Compile and link a program of this directory with libvpm."""
    target = pathlib.Path(directory().name) / ('%s-%s' % (name, variant))
    if not target.exists():
        wanted = needs(name)
        source = HERE / (name + '.c')
        linked = [part
                  for part in sources('media', 'pool', 'pager', 'engine')
                  if part.name not in wanted.get('without', [])]
        linked += [source, *helpers(source)]
        run(['cc', *FLAGS, *VARIANTS[variant],
             *['-Wl,--wrap=' + word for word in wanted.get('wrap', [])],
             *[object_file(part, variant) for part in linked],
             '-o', target])
    return target


@functools.lru_cache(maxsize=None)
def engine_at():
    """Return temporality-engine with tests/native/engine_at.c in it.

    It stays when the process ends, for those that follow: what it is made of
    is in its name.
    """
    parts = [*sources('media', 'pool', 'engine', 'program'),
             HERE / 'engine_at.c']
    digest = hashlib.sha256()
    for part in sorted([*parts, *NATIVE.glob('*/*.h')]):
        digest.update(part.read_bytes())
    target = pathlib.Path(tempfile.gettempdir()) / (
        'temporality-engine-at-' + digest.hexdigest()[:16])
    if not target.exists():
        made = target.with_suffix('.%d' % os.getpid())
        run(['cc', *FLAGS, *VARIANTS['plain'], *parts, '-o', made])
        made.rename(target)
    return target


def crash_program():
    """Return the program that is stopped in the midst (vpm_crash.c)."""
    return program('vpm_crash', 'plain')


def explorer():
    """Return the crash explorer."""
    target = pathlib.Path(directory().name) / 'explorer'
    if not target.exists():
        run(['cc', *FLAGS, *EXPLORER_FLAGS, '-I%s' % HERE,
             *sources('media', 'pool'),
             NATIVE / 'pager/backing.c', NATIVE / 'pager/move.c',
             *sorted(HERE.glob('explorer/*.c')),
             HERE / 'harness.c', HERE / 'crash.c', HERE / 'careful.c',
             '-o', target])
    return target
