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

"""All CPUs of a guest fault at once, all the time, and the power fails."""

import random
import re
import subprocess
import time

import pytest

from nova_temporality import vpm
from tests.framework import machine

CUTS = 10
CPUS = {'tcg': 8, 'kvm': 4}
PERCENT = {'tcg': 5, 'kvm': 10}

# What QEMU reads of a guest's memory to load its devices: their rings.
PAGES_TO_LOAD = 32


def recover(guest):
    """As nova-compute does; nothing is swapped in before it is touched."""
    before = guest.stats()
    guest.start('-incoming', 'defer')
    guest.load()
    after = guest.stats()
    assert after.in_swap > guest.region.virtual_size / 2
    assert after.swap_ins - before.swap_ins <= PAGES_TO_LOAD
    guest.run_on()


def test_power_fails_at_any_moment_of_a_storm(host, accel):
    guest = host.vpm_guest(accel, percent=PERCENT[accel], cpus=CPUS[accel])
    notifier = host.notifier()
    guest.boot()
    for _ in range(CUTS):
        notifier.protect(guest)
        time.sleep(random.uniform(0, 0.2))
        outcome = machine.outcome(notifier.power_fails(), guest)
        host.power_cut()
        assert outcome['result'] == 'fixated', outcome
        print('fixated in %.1f ms' % outcome['fixated_ms'])
        assert vpm.check(host.pool.path) == []
        before = guest.stats()
        recover(guest)
        guest.run_until(lambda _, stats:
                        stats.swap_outs >= before.swap_outs + 500)
    assert guest.boots() == 1


@pytest.fixture
def disk(tmp_path):
    """A file system that can be made to hang."""
    image, path = tmp_path / 'image', tmp_path / 'disk'
    with open(image, 'wb') as made:
        made.truncate(128 << 20)
    path.mkdir()
    subprocess.run(['mkfs.ext4', '-q', image], check=True)
    subprocess.run(['mount', '-o', 'loop', image, path], check=True)
    yield path
    # Even a frozen one, of which there may be users until it is not.
    subprocess.run(['fsfreeze', '--unfreeze', path],
                   stderr=subprocess.DEVNULL)
    subprocess.run(['umount', '--lazy', path], check=True)


def test_swap_disk_that_hangs(host, disk, capfd):
    """It is reported, concerns one server, and that one goes on later."""
    # Enough for the other one on a busy machine.
    host.configure(timeout_ms=5000)
    guest = host.vpm_guest('tcg', percent=10, cpus=4, directory=disk)
    guest.boot()
    sound = host.booted()
    notifier = host.notifier()
    notifier.protect(guest, sound)
    subprocess.run(['fsfreeze', '--freeze', disk], check=True)
    said = []

    def reported():
        said.append(capfd.readouterr().err)
        return re.search(r'a fault on page (\d+) at address (0x[0-9a-f]+) '
                         r'waits for (\d+) s; (\d+) faults are queued',
                         ''.join(said))
    page, address, age, queued = machine.wait_for(
        reported, 'the watchdog').groups()
    pages = guest.region.virtual_size // guest.region.page_size
    assert int(page) < pages and int(address, 16) % 4096 == 0
    assert int(age) >= 5 and int(queued) > 0

    # A vCPU in the midst of an access cannot be stopped.
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'failed'
    assert machine.outcome(report, sound)['result'] == 'fixated'
    assert not guest.proven()
    assert sound.proven()

    subprocess.run(['fsfreeze', '--unfreeze', disk], check=True)
    notifier.call('resume')
    guest.run_steps(10000)
