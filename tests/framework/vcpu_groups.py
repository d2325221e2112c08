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

"""Control groups of vCPUs, as libvirt makes them."""

import contextlib
import errno
import os
import uuid

import pytest

from tests.framework import machine

_V1 = '/sys/fs/cgroup/cpu'
_V2 = '/sys/fs/cgroup'


class Groups:
    """One group for each thread that is put into one."""

    def __init__(self):
        self._is_v1 = os.path.exists(os.path.join(_V1, 'cpu.cfs_quota_us'))
        self._top = os.path.join(_V1 if self._is_v1 else _V2,
                                 'temporality-test-%s' % uuid.uuid4())
        self._made = []
        try:
            self._make(self._top)
            if not self._is_v1:
                self._write(os.path.join(self._top, 'cgroup.type'), 'threaded')
                self._write(os.path.join(
                    self._top, 'cgroup.subtree_control'), '+cpu')
        except OSError as e:
            self.remove()
            pytest.skip('no control groups can be made: %s' % e)

    def put(self, pid, threads):
        """Give each of these threads of a process a group."""
        if not self._is_v1:
            self._write(os.path.join(self._top, 'cgroup.procs'), pid)
        for thread in threads:
            group = os.path.join(self._top, 'vcpu%d' % len(self._made))
            self._make(group)
            if not self._is_v1:
                self._write(os.path.join(group, 'cgroup.type'), 'threaded')
            self._write(os.path.join(
                group, 'tasks' if self._is_v1 else 'cgroup.threads'), thread)

    def quotas(self):
        """What each group may have of a processor, as it is written."""
        return [self._read(os.path.join(
            group, 'cpu.cfs_quota_us' if self._is_v1 else 'cpu.max'))
            for group in self._made[1:]]

    def remove(self):
        """Remove them; what was in them has ended, or is about to."""
        for group in reversed(self._made):
            machine.wait_for(lambda: self._is_removed(group), 'an empty group')
        self._made.clear()

    @staticmethod
    def _is_removed(group):
        try:
            os.rmdir(group)
        except OSError as e:
            if e.errno != errno.EBUSY:
                raise
            return False
        return True

    def _make(self, path):
        os.mkdir(path)
        self._made.append(path)
        # It gets a processor for itself on a machine that is busy, too.
        with contextlib.suppress(FileNotFoundError):
            self._write(*(
                (os.path.join(path, 'cpu.shares'), 1 << 18) if self._is_v1 else
                (os.path.join(path, 'cpu.weight'), 10000)))

    @staticmethod
    def _write(path, value):
        with open(path, 'w', encoding='ascii') as stream:
            stream.write(str(value))

    @staticmethod
    def _read(path):
        with open(path, encoding='ascii') as stream:
            return stream.read().strip()
