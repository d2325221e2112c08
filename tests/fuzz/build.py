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

"""Builds libvpm's fuzzing targets with clang."""

import pathlib

from tests.framework import native_build

HERE = pathlib.Path(__file__).parent
CORPUS = HERE / 'corpus'
FLAGS = ['-O1', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all',
         '-I%s' % native_build.HERE]


def targets():
    """Return the names of all targets."""
    return sorted(path.stem[len('fuzz_'):] for path in HERE.glob('fuzz_*.c'))


# What the process has beside the library; its log would be long.
PROGRAM = [source for source in native_build.sources('program')
           if source.stem not in ('main', 'log')]


LIBRARY = [*native_build.sources('media', 'pool', 'engine'),
           native_build.NATIVE / 'pager/backing.c',
           native_build.NATIVE / 'pager/move.c',
           HERE / 'fuzz.c', native_build.HERE / 'harness.c',
           native_build.HERE / 'careful.c']


def _object(source, sanitizers):
    """Compile a file, once for all targets; return the object file."""
    made = pathlib.Path(native_build.directory().name) / (
        '%s-%s.o' % (source.stem, sanitizers))
    if not made.exists():
        native_build.run(['clang', *native_build.FLAGS, *FLAGS,
                          '-fsanitize=' + sanitizers, '-c', source, '-o',
                          made])
    return made


def _link(name, sources, sanitizers):
    program = pathlib.Path(native_build.directory().name) / name
    if not program.exists():
        native_build.run(['clang', '-pthread', '-fsanitize=' + sanitizers,
                          *[_object(source, sanitizers)
                            for source in [*LIBRARY, *sources]],
                          '-o', program])
    return program


def target(name):
    """Return the program of a target."""
    return _link('fuzz_' + name, [
        HERE / ('fuzz_%s.c' % name),
        *(PROGRAM if name == 'protocol' else [])],
        'fuzzer,address,undefined')


def seeds():
    """Return a directory with a directory of seeds for each target."""
    directory = pathlib.Path(native_build.directory().name) / 'seeds'
    if not directory.exists():
        program = _link('fuzz_seeds', [HERE / 'seeds.c',
                                       native_build.HERE / 'crash.c'],
                        'address,undefined')
        directory.mkdir()
        native_build.run([program, directory])
    return directory


def command(name, seconds, found, artifacts):
    """Return the command that runs a target for some seconds.

    New inputs go to the directory *found*, those that crash it to
    *artifacts*; both must exist.
    """
    corpora = [found, CORPUS / name, seeds() / name]
    return [target(name), '-max_total_time=%d' % seconds, '-timeout=10',
            '-rss_limit_mb=2048', '-max_len=16384', '-print_final_stats=1',
            '-artifact_prefix=%s/' % artifacts,
            *[corpus for corpus in corpora if corpus.exists()]]
