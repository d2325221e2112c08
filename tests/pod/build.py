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

"""Builds the driver, and what its tests need, for Debian's kernel."""

import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
POD = HERE.parents[1] / 'pod'
STATE = pathlib.Path(os.environ.get('STATE', '/var/tmp/temporality'))
KERNEL = STATE / 'kernel'


def run(*command, **kwargs):
    """Run a command; return what it says, which is the message if it fails."""
    done = subprocess.run([str(word) for word in command], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300, **kwargs)
    assert done.returncode == 0, '%s: status %d\n%s' % (
        command[0], done.returncode, done.stdout)
    return done.stdout


@functools.lru_cache(maxsize=None)
def scratch():
    """Return a directory that goes with the process."""
    return pathlib.Path(_scratch().name)


@functools.lru_cache(maxsize=None)
def _scratch():
    return tempfile.TemporaryDirectory(prefix='pod-')


def kernel():
    """Return the directory of the kernel."""
    assert (KERNEL / 'vmlinuz').exists(), (
        'no kernel in %s; "make kernel" fetches it' % KERNEL)
    return KERNEL


@functools.lru_cache(maxsize=None)
def module(source):
    """Build the module of a directory, and check it with sparse.

    :returns: (path of the module, what make and sparse say)
    """
    target = scratch() / source.name
    shutil.copytree(source, target)
    said = run('make', '-C', kernel() / 'build', 'M=%s' % target, 'C=2',
               'W=1', 'modules')
    built, = target.glob('*.ko')
    return built, said


def _guest():
    program = scratch() / 'init'
    run('gcc', '-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-static',
        '-s', '-I%s' % POD, *sorted((HERE / 'guest').glob('*.c')),
        '-o', program)
    return program


@functools.lru_cache(maxsize=None)
def initramfs():
    """Build what the machine boots: the tests and the modules."""
    root = scratch() / 'root'
    root.mkdir()
    shutil.copy(_guest(), root)
    for source in (POD, HERE / 'lines'):
        shutil.copy(module(source)[0], root)
    archive = scratch() / 'initramfs'
    with open(archive, 'wb') as f:
        subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc'], cwd=root,
                       input='\n'.join(os.listdir(root)).encode(), stdout=f,
                       check=True)
    return archive
