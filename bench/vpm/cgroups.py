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

"""Limits the memory of processes, by control groups of either version."""

import contextlib
import os
import time

# Of both versions: the limit, what it is when there is none, and what is used,
# page tables and the like included.
_FILES = {
    1: ('memory.limit_in_bytes', '-1', 'memory.usage_in_bytes'),
    2: ('memory.max', 'max', 'memory.current'),
}


def _read(path):
    with open(path) as file:
        return file.read()


def _write(path, value):
    with open(path, 'w') as file:
        file.write(str(value))


def _mounts():
    for line in _read('/proc/self/mountinfo').splitlines():
        before, after = line.split(' - ')
        kind, _, options = after.split(' ', 2)
        yield before.split()[4], kind, options.split(',')


def _find():
    """Return version and directory of the controller for memory."""
    for path, kind, options in _mounts():
        if kind == 'cgroup' and 'memory' in options:
            return 1, path
        if kind == 'cgroup2' and 'memory' in _read(
                os.path.join(path, 'cgroup.controllers')).split():
            _write(os.path.join(path, 'cgroup.subtree_control'), '+memory')
            return 2, path
    raise SystemExit('no control group controller for memory is mounted: '
                     'mount one, e.g. mount -t cgroup2 cgroup2 '
                     '/sys/fs/cgroup')


class Cgroup:
    """A control group with a process of its own."""

    def __init__(self, name):
        version, root = _find()
        self._limit, self._none, self._usage = _FILES[version]
        self.path = os.path.join(root, 'temporality-%s-%d' % (
            name, os.getpid()))
        os.mkdir(self.path)

    def _file(self, name):
        return os.path.join(self.path, name)

    def add(self, pid):
        """Move a process there; what it has already is not counted."""
        _write(self._file('cgroup.procs'), pid)

    def limit(self, size):
        """Set the limit in bytes."""
        _write(self._file(self._limit), size)

    def unlimit(self):
        """Remove the limit."""
        _write(self._file(self._limit), self._none)

    def usage(self):
        """Return the bytes that are in use."""
        return int(_read(self._file(self._usage)))

    def remove(self):
        """Remove it; its process has ended."""
        for _ in range(50):
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                return
            time.sleep(0.1)
        os.rmdir(self.path)
