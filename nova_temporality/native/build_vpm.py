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

"""Builds libvpm into the extension module nova_temporality.native._vpm.

Builds the pager that is preloaded into QEMU, and the program
temporality-engine, too. They have names of extension modules, because that is
what setuptools can build and install, but they are none. All paths are
relative to the directory of setup.py, as setuptools wants them.
"""

from collections.abc import Sequence
import pathlib
from typing import Any

import cffi
import setuptools
from setuptools.command import build_ext

NATIVE = pathlib.Path('nova_temporality/native')
# What Python sees.
HEADERS = (NATIVE / 'include' / 'vpm.h', NATIVE / 'include' / 'protocol.h')
PRELOAD = 'nova_temporality.native.libvpm-preload'
PROGRAM = 'nova_temporality.native.temporality-engine'

FOLDERS = ('include', 'media', 'pool', 'pager', 'preload', 'engine',
           'program')
# Those that each product is made of. The pool is never linked into QEMU.
LIBRARY_FOLDERS = ('media', 'pool', 'engine')
PRELOAD_FOLDERS = ('media', 'pager', 'preload')
PROGRAM_FOLDERS = ('media', 'pool', 'engine', 'program')


def sources(folders: Sequence[str]) -> list[str]:
    """Return the paths of all C files in these folders."""
    return [str(path) for folder in folders
            for path in sorted(NATIVE.glob(folder + '/*.c'))]


COMMON: dict[str, Any] = {
    'depends': [str(path) for path in sorted(NATIVE.glob('*/*.h'))],
    # pod.h is the kernel driver's.
    'include_dirs': ['pod', *(str(NATIVE / name) for name in FOLDERS)],
    'extra_compile_args': ['-std=c11', '-Wall', '-Wextra',
                           '-fvisibility=hidden', '-Wno-unused-parameter'],
    'define_macros': [('_GNU_SOURCE', None)],
}

# Runs Python code (in nova_temporality/vpm/pool.py) per finding of a check.
CALLBACK = """
extern "Python" void vpm_python_report(const char *finding, void *opaque);
"""


def declarations() -> str:
    """What cffi's parser understands: no directives but constants."""
    lines = []
    for line in '\n'.join(header.read_text(encoding='utf-8')
                          for header in HEADERS).splitlines():
        words = line.split()
        if line.startswith('#') and not (
                words[0] == '#define' and len(words) > 2):
            continue
        if len(words) > 2 and words[0] == '#define' and words[2][0] == '"':
            line = 'static char *const %s;' % words[1]
        lines.append(line)
    return '\n'.join(lines)


ffibuilder = cffi.FFI()
ffibuilder.cdef(declarations() + CALLBACK)
ffibuilder.set_source(
    'nova_temporality.native._vpm',
    '#include "protocol.h"',
    sources=sources(LIBRARY_FOLDERS),
    extra_link_args=['-pthread'],
    **COMMON,
)


class BuildExt(build_ext.build_ext):
    """Builds the program as well, which is linked in another way."""

    def get_ext_filename(self, fullname: str) -> str:
        """Return the path of what is built."""
        if fullname.split('.')[-1] == PROGRAM.split('.')[-1]:
            return str(pathlib.Path(*fullname.split('.')))
        return super().get_ext_filename(fullname)

    def build_extension(self, ext: setuptools.Extension) -> None:
        """Build one of extensions()."""
        if ext.name != PROGRAM:
            super().build_extension(ext)
            return
        target = pathlib.Path(self.get_ext_fullpath(ext.name))
        objects = self.compiler.compile(
            ext.sources, output_dir=str(pathlib.Path(self.build_temp) / 'exe'),
            macros=ext.define_macros, include_dirs=ext.include_dirs,
            extra_postargs=ext.extra_compile_args, depends=ext.depends)
        self.compiler.link_executable(
            objects, target.name, output_dir=str(target.parent),
            extra_postargs=ext.extra_link_args)


def extensions() -> list[setuptools.Extension]:
    """Return what setup.py builds."""
    preload = setuptools.Extension(
        PRELOAD, sources(PRELOAD_FOLDERS),
        extra_link_args=['-pthread', '-Wl,-z,defs'], **COMMON)
    program = setuptools.Extension(
        PROGRAM, sources(PROGRAM_FOLDERS),
        extra_link_args=['-pthread', '-Wl,-z,defs'], **COMMON)
    return [ffibuilder.distutils_extension(tmpdir='build'), preload, program]
