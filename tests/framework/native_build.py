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
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parents[1] / 'native'
NATIVE = HERE.parents[1] / 'nova_temporality' / 'native'
FOLDERS = ('include', 'media', 'pool', 'pager', 'preload', 'engine')
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

# Tests of code that has threads of its own.
THREADED = ('test_engine', 'test_pager')

# The explorer tells sites in the code apart by the calls that lead to them.
# Small regions make for small images.
EXPLORER_FLAGS = ['-DFRAMES_MIN=2', '-DSPARE_SLOTS(pages)=3',
                  '-DVPM_RING_ENTRIES=2', '-O1',
                  '-fno-optimize-sibling-calls', '-no-pie',
                  '-Wl,--wrap=vpm_map_open,--wrap=vpm_map_close,'
                  '--wrap=vpm_map_medium,--wrap=vpm_pool_is_paused,'
                  '--wrap=getrandom']

# Tests that count or replace what libvpm calls.
LINK_FLAGS = {
    'test_fixation': ['-Wl,--wrap=malloc,--wrap=calloc,--wrap=openat,'
                      '--wrap=mmap,--wrap=flock'],
    'test_engine': ['-Wl,--wrap=malloc,--wrap=calloc,--wrap=openat,'
                    '--wrap=ioctl'],
}
WITHOUT = {
    'test_collision': ['hash.c'],
    'test_cpuflush': ['cpuflush.c'],
    'test_persist': ['cpuflush.c'],
}


def tests():
    """Return the names of all native test programs."""
    return sorted(path.stem for path in HERE.glob('test_*.c'))


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


def program(name, variant, helpers):
    """Compile and link a program of this directory with libvpm."""
    target = pathlib.Path(directory().name) / ('%s-%s' % (name, variant))
    if not target.exists():
        linked = [source
                  for source in sources('media', 'pool', 'pager', 'engine')
                  if source.name not in WITHOUT.get(name, [])]
        linked += [HERE / helper for helper in (name + '.c', *helpers)]
        run(['cc', *FLAGS, *VARIANTS[variant], *LINK_FLAGS.get(name, []),
             *[object_file(source, variant) for source in linked],
             '-o', target])
    return target


def crash_program():
    """Return the program that is stopped in the midst (vpm_crash.c)."""
    return program('vpm_crash', 'plain', ['crash.c'])


def explorer():
    """Return the crash explorer."""
    target = pathlib.Path(directory().name) / 'explorer'
    if not target.exists():
        run(['cc', *FLAGS, *EXPLORER_FLAGS, '-I%s' % HERE,
             *sources('media', 'pool'),
             NATIVE / 'pager/backing.c', NATIVE / 'pager/move.c',
             *sorted(HERE.glob('explorer/*.c')),
             HERE / 'harness.c', HERE / 'crash.c', '-o', target])
    return target
