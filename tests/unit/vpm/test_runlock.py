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

"""The run lock excludes threads and processes."""

import os
import subprocess
import sys
import threading

import pytest

from nova_temporality.vpm import runlock

pytestmark = pytest.mark.native_threads


class TestRunLock:

    @pytest.fixture
    def region(self, tmp_path):
        (tmp_path / 'state').touch()

        class Region:
            name = 'pvm'
            ram_path = str(tmp_path / 'ram')
        return Region

    def test_excludes_threads_of_one_process_too(self, region):
        with runlock.RunLock(region):
            with pytest.raises(runlock.RunLockTimeout) as e:
                runlock.RunLock(region).acquire(0)
        assert 'temporality resume' in str(e.value)
        with runlock.RunLock(region):
            pass

    def test_waits(self, region):
        first, second = runlock.RunLock(region), runlock.RunLock(region)
        first.acquire(0)
        threading.Timer(0.05, first.release).start()
        second.acquire(60)
        second.release()

    def test_acquire_twice_and_release_twice(self, region):
        lock = runlock.RunLock(region)
        lock.acquire(0)
        lock.acquire(0)
        lock.release()
        lock.release()
        with runlock.RunLock(region):
            pass

    def test_killed_owner_leaves_none(self, region):
        code = ('from nova_temporality.vpm import runlock\n'
                'class Region:\n'
                '    name = "pvm"\n'
                '    ram_path = %r\n'
                'runlock.RunLock(Region).acquire(0)\n'
                'print("locked", flush=True)\n'
                'input()\n' % region.ram_path)
        owner = subprocess.Popen(
            [sys.executable, '-c', code], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        with owner:
            assert owner.stdout.readline() == b'locked\n'
            with pytest.raises(runlock.RunLockTimeout):
                runlock.RunLock(region).acquire(0)
            owner.kill()
            owner.wait()
        runlock.RunLock(region).acquire(0)
