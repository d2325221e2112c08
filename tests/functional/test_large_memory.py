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

"""A guest with more memory than the kernel promises to a process.

RLIMIT_DATA stands for what overcommit grants: both count private memory that
can be written, touched or not, and neither counts what is shared.
"""

import contextlib
import resource

import pytest

from tests.framework import machine

SIZE = 384 << 20
GRANTED = 256 << 20


class _Guest(machine.Guest):
    """Its QEMU has libvirt's memory beside ours, as libvirt makes it."""

    unused = ''

    def _launch(self, command, user):
        command += ['-object', '%s,id=pc.ram,size=%d' % (self.unused, SIZE)]
        super()._launch(['prlimit', '--data=%d' % GRANTED] + command, user)


@pytest.fixture
def guest(host, tmp_path):
    guest = _Guest(host.pool, host.run_dir, tmp_path,
                   accel='tcg,tb-size=16', size=SIZE)
    yield guest
    guest.kill()


def test_private_memory_is_not_granted(guest):
    # what libvirt makes unless it is told otherwise
    guest.unused = 'memory-backend-ram'
    with contextlib.suppress(AssertionError):
        guest.boot(wait=False)
    assert guest.process.wait(machine.PATIENCE) != 0


def test_unused_shared_memory_costs_nothing(guest, host):
    # <source type='memfd'/> <access mode='shared'/>
    guest.unused = 'memory-backend-memfd,share=on'
    guest.boot()
    limits = resource.prlimit(guest.process.pid, resource.RLIMIT_DATA)
    assert limits[1] == GRANTED < SIZE
    notifier = host.notifier()
    notifier.protect(guest)
    report = notifier.power_fails()
    guest.kill()
    host.power_cut()
    outcome = machine.outcome(report, guest)
    assert outcome['result'] == 'fixated'
    # It is in no state.
    assert outcome['state_size'] < 1 << 20
    before = guest.counter()
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before
    assert guest.boots() == 1
