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

"""What is left for the vault is bounded: the kernel's part of it.

A process writes its memory in the place of QEMU: as fast as a processor lets
it, and faster than the vault takes it, on any machine.
"""

import mmap
import os
import subprocess
import sys
import threading
import time

import pytest

from nova_temporality.host import cpu_brakes
from nova_temporality.host import vault_bandwidth
from nova_temporality.notifier import vault_bound
from nova_temporality.vault import ahead
from nova_temporality.vault import data
from nova_temporality.vault import forecast
from nova_temporality import vpm
from nova_temporality.vpm import sums
from tests.framework import machine
from tests.framework import units
from tests.framework import vaults
from tests.framework import vcpu_groups
from tests.framework import writes

SIZE = 64 << 20
# Of these, so much may be left.
ROOM = SIZE // 4
# Of a processor, from one chunk to the next.
SECONDS = 0.01

# Writes one chunk after the other, and says how many.
_PROGRAM = """
import mmap, os, sys, time
ram = os.open(sys.argv[1], os.O_RDWR)
memory = mmap.mmap(ram, os.fstat(ram).st_size)
count = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), mmap.PAGESIZE)
done = 0
while True:
    end = time.thread_time() + %r
    while time.thread_time() < end:
        pass
    at = done * %d %% len(memory)
    done += 1
    memory[at:at + 8] = count[:8] = done.to_bytes(8, 'little')
""" % (SECONDS, sums.CHUNK)


class Process:
    """The one that writes."""

    def __init__(self, region, count):
        with open(count, 'wb') as stream:
            stream.truncate(mmap.PAGESIZE)
        self._count = count
        self.process = subprocess.Popen(
            [sys.executable, '-c', _PROGRAM, region.ram_path, count],
            env=dict(os.environ, LD_PRELOAD=vpm.PRELOAD_PATH,
                     **{vpm.WRITES_VARIABLE: region.ram_path}))
        machine.wait_for(self.done, 'it writes')

    def done(self):
        """How many chunks it has written."""
        with open(self._count, 'rb') as stream:
            return int.from_bytes(stream.read(8), 'little')


@pytest.fixture
def host():
    with vaults.directories() as directories:
        made = vaults.VaultedHost(*directories, total_size=2 * SIZE)
        yield made
        made.pool.close()


@pytest.fixture
def region(host):
    found = host.pool.alloc('pvm', SIZE)
    host.pool.begin_epoch(found.id)
    return found


@pytest.fixture
def groups():
    made = vcpu_groups.Groups()
    yield made
    made.remove()


@pytest.fixture
def process(host, region, groups):
    writes.skip_unless_noted()
    made = Process(region, os.path.join(host.disk, 'count'))
    groups.put(made.process.pid, [made.process.pid])
    yield made
    made.process.kill()
    made.process.wait()


class Bound:
    """A notifier's threads."""

    def __init__(self, host, process):
        self.note = os.path.join(host.disk, 'brakes')
        self.pids = {'pvm': process.process.pid}
        self.writer = ahead.Ahead(host.pool, 1 << 20, lambda: ['pvm'], bool,
                                  bool, lambda: self.pids)
        # Nobody asks how fast it is: the room is what the test wants.
        state = forecast.sizes(host.pool).all - SIZE
        vault_bandwidth.note(host.vault, (ROOM + state) / (1 << 20), 1e9)
        self.bound = vault_bound.VaultBound(
            host.pool, 1, self.writer, lambda: self.pids, bool, self.note)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self):
        while not self._ended.is_set():
            self.writer.step()
            while not self._ended.is_set() and self.writer.copy_cold():
                pass

    def start(self):
        """All was looked at once."""
        self.writer.look()
        self.writer.step()
        self.bound.start()
        self._thread.start()

    def status(self):
        return self.bound.watch.status()

    def end(self):
        self._ended.set()
        self.bound.close()
        if self._thread.ident:
            self._thread.join()


@pytest.fixture
def bound(host, process, monkeypatch):
    monkeypatch.setattr(ahead, '_REST', 0)
    made = Bound(host, process)
    yield made
    made.end()


def slow_down(monkeypatch):
    """The disk takes half of what the process writes."""
    write_all = data._write_all

    def write_slowly(fd, offset, piece):
        write_all(fd, offset, piece)
        time.sleep(2 * SECONDS * len(piece) / sums.CHUNK)

    monkeypatch.setattr(data, '_write_all', write_slowly)


def test_who_writes_too_fast_is_slowed(process, groups, bound, monkeypatch):
    before = groups.quotas()
    bound.start()
    slow_down(monkeypatch)
    machine.wait_for(lambda: groups.quotas() != before, 'it is slowed')
    # More than there is room for. At its full speed half of it would be left.
    end = process.done() + 2 * ROOM // sums.CHUNK
    most = 0
    while process.done() < end:
        assert process.process.poll() is None
        most = max(most, bound.writer.left()['pvm'])
        time.sleep(0.1)
    # Looks may be late on a busy machine.
    assert most < ROOM * 1.5
    machine.wait_for(lambda: bound.status()['fits'], 'it is protected')
    assert bound.bound.slowed['pvm'] > 0
    bound.end()
    assert groups.quotas() == before


def test_next_one_releases(process, groups, bound):
    """This one is killed."""
    before = groups.quotas()
    cpu_brakes.Brakes(bound.note).set(process.process.pid, 0.2)
    assert groups.quotas() != before
    with cpu_brakes.released(bound.note):
        assert groups.quotas() == before


def test_disk_that_fails(process, bound, monkeypatch):
    """Nothing is claimed that nobody keeps to."""
    bound.start()
    machine.wait_for(lambda: bound.status()['bounded'], 'it is bounded')

    def fail(*args):
        raise OSError('the disk is broken')

    monkeypatch.setattr(data, '_write_all', fail)
    machine.wait_for(lambda: not bound.status()['bounded'], 'it is not')
    assert bound.status()['fits'] is False
    machine.wait_for(lambda: 'broken' in bound.status()['counted'].get(
        'pvm', ''), 'the reason')


def test_who_cannot_be_slowed_is_not_bounded(host, region):
    writes.skip_unless_noted()
    process = Process(region, os.path.join(host.disk, 'count'))
    made = Bound(host, process)
    try:
        made.start()
        machine.wait_for(lambda: 'control groups' in made.status()[
            'counted'].get('pvm', ''), 'the reason')
        status = made.status()
        assert (status['bounded'], status['fits']) == (0, False)
    finally:
        made.end()
        process.process.kill()
        process.process.wait()


def test_notifier(groups, vaulted):
    """With the rights that its unit gives it, and a QEMU."""
    writes.skip_unless_noted()
    vaulted.configure(vault_hold_up=1)
    guest = vaulted.host.guest()
    guest.is_noted = True
    guest.boot()
    with guest.monitor() as monitor:
        groups.put(guest.process.pid, [
            one['thread-id'] for one in monitor.command('query-cpus-fast')])
    # Power does not last for all of its memory.
    vault_bandwidth.note(vaulted.vault, guest.region.size / (2 << 20), 1e9)
    notifier = vaulted.host.notifier()
    notifier.under = units.under('temporality-notifier')
    notifier.protect(guest)

    def vault():
        return notifier.call('status')['vault']

    machine.wait_for(lambda: vault()['fits'], 'it is protected')
    assert vault()['bounded'] == guest.region.size
    assert vault()['room'] < guest.region.size
    assert 'VAULT_TOO_SLOW' not in {
        one['code'] for one in notifier.call('health')['findings']}
    assert notifier.end() == 0
