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


"""Disks on a real Ceph (RBD), where one is installed."""

import pytest

from nova_temporality.qemu import remote_disks
from tests.framework import ceph as ceph_module
from tests.framework import machine

_MISSING = ceph_module.missing()
pytestmark = pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))

# Where the guest does not write.
_PLACE = 4096


@pytest.fixture
def ceph(tmp_path, spawn):
    return ceph_module.Ceph(tmp_path, spawn)


@pytest.fixture
def guest(host, ceph):
    """A guest that writes to its disk all the time."""
    guest = host.guest(writing=True)
    guest.cache = {'direct': True}
    ceph.lend(guest)
    return guest


def fixate(host, guest):
    host.fixate_and_note(guest)
    host.power_cut()


def changed(host, guest):
    """What recovery finds out, before anything runs."""
    guest.start('-incoming', 'defer')
    guest.load()
    with guest.monitor() as monitor:
        return remote_disks.compare(
            monitor, host.pool.path, guest.region,
            host.pool.verify_state(guest.region.id).epoch, machine.PATIENCE)


def test_lock_of_a_qemu_that_died(host, ceph, guest):
    """The first write waits until Ceph takes that one for dead."""
    ceph.rbd('feature', 'enable', guest.name, 'exclusive-lock')
    guest.boot()
    fixate(host, guest)
    assert 'exclusive lock' in ceph.rbd('lock', 'ls', guest.name)
    assert changed(host, guest) == []
    before = guest.counter()
    guest.run_on()
    # What was in flight is no write of this QEMU.
    machine.wait_for(lambda: guest.counter() > before + 1, 'a write')
    assert guest.runstate() == 'running'


def test_image_that_was_rolled_back(host, ceph, guest):
    ceph.rbd('snap', 'create', guest.name + '@before')
    guest.boot()
    fixate(host, guest)
    ceph.rbd('snap', 'rollback', guest.name + '@before')
    [what] = changed(host, guest)
    assert 'other contents' in what


def written(guest):
    """Boot a guest; write beside it what nobody flushes."""
    guest.disk_device += ',share-rw=on'
    guest.boot()
    with guest.monitor() as monitor:
        monitor.command('human-monitor-command', {
            'command-line': 'qemu-io disk "write -P 85 %d 512"' % _PLACE})


def test_write_that_nobody_flushed(host, ceph):
    """It is in the cache of librbd, which a fixation empties."""
    guest = host.guest()
    ceph.lend(guest)
    written(guest)
    assert ceph.read(guest)[_PLACE] == 0
    fixate(host, guest)
    assert ceph.read(guest)[_PLACE] == 85


def test_write_past_the_cache(host, ceph):
    """With cache=none there is no cache of librbd, whatever it is told."""
    guest = host.guest()
    ceph.lend(guest)
    guest.cache = {'direct': True}
    written(guest)
    host.power_cut()
    assert ceph.read(guest)[_PLACE] == 85


def test_cluster_that_hangs(host, ceph, guest):
    guest.boot()
    neighbour = host.booted()
    # Enough for the neighbour on a busy machine.
    host.configure(timeout_ms=6000, hold_up_ms=1000)
    notifier = host.notifier()
    notifier.protect(guest, neighbour)
    ceph.hang()
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'failed'
    assert machine.outcome(report, neighbour)['result'] == 'fixated'
