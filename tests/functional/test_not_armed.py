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

"""What cannot be fixated is reported before power fails."""

import itertools
import os
import resource

import pytest

from nova_temporality.host import paths
from nova_temporality.qemu import qmp
from nova_temporality import vpm
from tests.framework import machine


def test_state_larger_than_its_file(nvram, make_host):
    with vpm.Pool.create(nvram + '/pool', total_size=64 << 20,
                         state_size=64 << 10, descriptors=2,
                         uid_base=0) as pool:
        host = make_host(pool)
        guest = host.booted()
        notifier = host.notifier()
        notifier.start()
        assert notifier.state(guest) == 'not armed'
        assert 'state files hold 60 KiB' in notifier.pvm(
            guest.name)['reason']
        assert '--state-size' in notifier.pvm(guest.name)['remedy']

        # It is tried all the same.
        report = notifier.power_fails()

        outcome = machine.outcome(report, guest)
        assert outcome['result'] == 'failed'
        assert 'longer than' in outcome['reason']
        assert not guest.proven()
        assert notifier.state(guest) == 'stopped'
        assert guest.capabilities() == set()
        assert notifier.call('resume')[0]['result'] == 'resumed'
        guest.wait_counting()


def test_unmigratable_device_is_reported_before_power_fails(host):
    guest = host.guest()
    guest.start('-device', 'piix3-usb-uhci', '-device',
                'usb-mtp,rootdir=/,readonly=on')
    notifier = host.notifier()
    notifier.start()

    assert notifier.state(guest) == 'not armed'
    assert 'usb-mtp' in notifier.pvm(guest.name)['reason']
    assert notifier.pvm(guest.name)['remedy']


@pytest.mark.parametrize('device, cache, said', [
    ('ide-hd', {'direct': False}, 'page cache'),
    ('virtio-blk-pci,write-cache=off', {'no-flush': True}, 'ignores flushes')])
def test_disk_that_forgets_is_reported_before_power_fails(host, device,
                                                          cache, said):
    guest = host.guest(disk_device=device)
    guest.cache = cache
    guest.boot()
    notifier = host.notifier()
    notifier.start()

    assert notifier.state(guest) == 'not armed'
    assert said in notifier.pvm(guest.name)['reason']
    assert 'cache mode' in notifier.pvm(guest.name)['remedy']


def test_state_file_that_is_not_there_is_one_servers_trouble(host):
    """As a poisoned line is: SIGBUS for whoever touches its mapping."""
    guest, other = host.booted(), host.booted()
    notifier = host.notifier()
    notifier.protect(guest, other)

    os.truncate(os.path.join(guest.region.directory, 'state'), 4096)

    assert notifier.state(guest) == 'not armed'
    assert 'its NVRAM has an error' in notifier.pvm(guest.name)['reason']
    assert notifier.state(guest) == 'not armed'
    assert notifier.state(other) == 'armed'
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'failed'
    assert not guest.proven()
    assert machine.outcome(report, other)['result'] == 'fixated'
    assert other.proven()


def test_second_socket_that_does_not_answer_is_reported(host):
    guest = host.booted()
    engines = qmp.QmpClient(paths.fixate_socket(host.run_dir, guest.name),
                            machine.PATIENCE)  # serves one at a time
    notifier = host.notifier()
    notifier.start()
    assert notifier.state(guest) == 'not armed'
    assert 'fixate.sock' in notifier.pvm(guest.name)['reason']
    engines.close()
    machine.wait_for(lambda: notifier.state(guest) == 'armed', 'armed')


def _limit_that_leaves_two(pid: int) -> int:
    """Return the RLIMIT_NOFILE with which a process can open two more files.

    They are enough for a request and a look, and not for a server.
    """
    open_ones = {int(name) for name in os.listdir('/proc/%d/fd' % pid)}
    free = (number for number in itertools.count() if number not in open_ones)
    return list(itertools.islice(free, 2))[-1] + 1


def test_too_few_files_are_told(host):
    guests = [host.booted() for _ in range(3)]
    notifier = host.notifier()
    notifier.start()
    pid = notifier.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE,
                     (_limit_that_leaves_two(pid), limits[1]))
    late = host.booted()
    found = machine.wait_for(lambda: [
        pvm for pvm in notifier.call('status')['pvms']
        if pvm['state'] == 'not armed' and pvm['name'] == late.name],
        'the server that came last')
    assert 'Too many open files' in found[0]['reason']
    assert 'LimitNOFILE' in found[0]['remedy']
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for guest in guests + [late]:
        machine.wait_for(lambda: notifier.state(guest) == 'armed', 'armed')


def test_rights_that_lack_are_told(host):
    notifier = host.notifier()
    host.configure(engine_cpus='1000')
    notifier.start()
    assert 'engine_cpus' in notifier.call('status')['engine']
    assert notifier.call('status')['engine_lost']
    notifier.end()
    host.configure(engine_priority=0, engine_threads=1)
    notifier.start()
    assert 'engine_cpus' not in notifier.call('status')['engine']


def test_qemu_on_other_memory_is_not_armed(host):
    guest, other = host.booted(), host.guest()
    other.region, region = guest.region, other.region
    other.start('-S')
    with other.monitor() as monitor:
        monitor.command('cont')
    other.region = region
    notifier = host.notifier()
    notifier.start()

    assert notifier.state(other) == 'not armed'
    assert guest.region.ram_path in notifier.pvm(other.name)['reason']
    report = notifier.power_fails()
    assert machine.outcome(report, other)['result'] == 'failed'
    assert not other.proven()


def test_qemu_of_other_user_is_not_armed(nvram, make_host):
    with vpm.Pool.create(nvram + '/pool', total_size=64 << 20,
                         state_size=4 << 20, descriptors=2,
                         uid_base=1987654000) as pool:
        host = make_host(pool)
        guest = host.booted()  # as root
        notifier = host.notifier()
        notifier.start()

        assert notifier.state(guest) == 'not armed'
        assert 'user id' in notifier.pvm(guest.name)['reason']
