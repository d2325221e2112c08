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

Builds the pager that is preloaded into QEMU, too. It has the name of an
extension module, because that is what setuptools can build and install, but it
is none. All paths are relative to the directory of setup.py, as setuptools
wants them.
"""

from collections.abc import Sequence
import pathlib
from typing import Any

import cffi
import setuptools

NATIVE = pathlib.Path('nova_temporality/native')
HEADER = NATIVE / 'include' / 'vpm.h'
PRELOAD = 'nova_temporality.native.libvpm-preload'

FOLDERS = ('include', 'media', 'pool', 'pager', 'preload', 'engine')
# Those that each product is made of. The pool is never linked into QEMU.
LIBRARY_FOLDERS = ('media', 'pool', 'engine')
PRELOAD_FOLDERS = ('media', 'pager', 'preload')


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
    """What cffi's parser understands of vpm.h: no directives but constants."""
    lines = []
    for line in HEADER.read_text(encoding='utf-8').splitlines():
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
    '#include "vpm.h"',
    sources=sources(LIBRARY_FOLDERS),
    extra_link_args=['-pthread'],
    **COMMON,
)


def extensions() -> list[setuptools.Extension]:
    """Return what setup.py builds."""
    preload = setuptools.Extension(
        PRELOAD, sources(PRELOAD_FOLDERS),
        extra_link_args=['-pthread', '-Wl,-z,defs'], **COMMON)
    return [ffibuilder.distutils_extension(tmpdir='build'), preload]
