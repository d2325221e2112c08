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

"""What a pVM is armed with, when less is to be had than is wanted."""

import fcntl
import os

import pytest

from nova_temporality.notifier.pvm import arming


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends[1]
    for end in ends:
        os.close(end)


@pytest.fixture
def limit(monkeypatch):
    """Let nobody have larger pipes."""
    real = fcntl.fcntl

    def set_limit(most):
        def limited(fd, command, *args):
            if command == fcntl.F_SETPIPE_SZ and args[0] > most:
                raise PermissionError('no more')
            return real(fd, command, *args)
        monkeypatch.setattr(fcntl, 'fcntl', limited)
    return set_limit


def test_usual_pipe(pipe):
    assert arming._enlarge(pipe) is None
    assert fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == 1 << 20


@pytest.mark.parametrize('most, kib', [(300 << 10, 256), (64 << 10, 64),
                                       (0, 64)])
def test_pipe_that_may_not_be_large(pipe, limit, most, kib):
    """It is as large as may be, and what to do is said."""
    limit(most)
    problem = arming._enlarge(pipe)
    assert fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == kib << 10
    assert 'has %d KiB instead of 1024' % kib in problem
    assert 'fs.pipe-user-pages-soft' in problem
    assert 'CAP_SYS_RESOURCE' in problem


def test_start_of_a_process():
    assert arming._started(os.getpid()) > 0
    assert arming._started(os.getpid()) != arming._started(1)
    assert arming._started(2**22 + 1) == 0
