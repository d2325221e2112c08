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

"""Builds and talks to the programs in C of this folder."""

import contextlib
import functools
import json
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent


@functools.lru_cache(maxsize=None)
def _directory():
    return tempfile.TemporaryDirectory(prefix='bench-vpm-')


@functools.lru_cache(maxsize=None)
def build(name):
    """Compile a program; return its path."""
    target = pathlib.Path(_directory().name) / name
    subprocess.run(['cc', '-O2', '-std=c11', '-D_GNU_SOURCE', '-Wall',
                    '-pthread', HERE / (name + '.c'), '-o', target, '-lm'],
                   check=True)
    return str(target)


class Ended(Exception):
    """A program ended before its time."""


class Access:
    """A running access.c."""

    def __init__(self, size, path=None, environment=None):
        command = [build('access'), str(size)] + ([path] if path else [])
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, **(environment or {})))

    @property
    def pid(self):
        """Process id."""
        return self._process.pid

    def start(self):
        """Let it map its memory."""
        self.tell('start')

    def tell(self, *words):
        """Give it an order; return what it answers."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(
                ' '.join(str(word) for word in words) + '\n')
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Ended('the access program ended, status %d; what it said '
                        'is above' % self._process.wait())
        return json.loads(line)

    def close(self):
        """Kill it."""
        self._process.kill()
        self._process.communicate()
