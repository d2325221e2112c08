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


"""The end of a QEMU, however long it takes."""

import fcntl
import os
import resource
import signal
import subprocess

import pytest

from nova_temporality.notifier.pvm import connection

# eventlet takes select.poll away. The notifier never runs under it.
pytestmark = pytest.mark.native_threads

# Seconds for what has to happen.
PATIENCE = 30


@pytest.fixture
def process():
    # It is not a child that was waited for until the end of the test.
    with subprocess.Popen(['sleep', 'infinity']) as process:
        yield process
        process.kill()


@pytest.fixture
def ending(process):
    ending = connection.Ending(process.pid)
    yield ending
    ending.close()


def test_ends_when_it_is_killed(ending):
    assert not ending.wait(0)
    ending.kill()
    assert ending.wait(PATIENCE)
    ending.kill()
    assert ending.wait(0)


def test_ended_before(process):
    process.kill()
    process.wait()
    ending = connection.Ending(process.pid)
    assert ending.wait(0)
    ending.kill()
    ending.close()


def test_reaped_before_it_is_killed(process, ending):
    process.kill()
    process.wait()
    assert ending.wait(PATIENCE)
    ending.kill()


def test_many_files_are_open(process, monkeypatch):
    """The descriptor is one that select(2) does not know."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 4096),
                                                limits[1]))
    real = os.pidfd_open
    monkeypatch.setattr(os, 'pidfd_open', lambda pid: fcntl.fcntl(
        real(pid), fcntl.F_DUPFD_CLOEXEC, 2000))
    ending = connection.Ending(process.pid)
    assert not ending.wait(0)
    ending.kill()
    assert ending.wait(PATIENCE)
    ending.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_notifier_that_may_not_kill(ending, monkeypatch, caplog):
    def refuse(*args):
        raise PermissionError(os.strerror(1))
    monkeypatch.setattr(signal, 'pidfd_send_signal', refuse)
    ending.kill()
    assert 'CAP_KILL' in caplog.text
    assert 'kill -9 %d' % ending.pid in caplog.text
    assert not ending.wait(0)
