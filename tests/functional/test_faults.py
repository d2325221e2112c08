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

"""What is broken is reported, delays nobody and is never resumed."""

import os
import shutil
import time

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import pvm
from nova_temporality.qemu import incoming
from nova_temporality.qemu import qmp
from nova_temporality import vpm
from nova_temporality.vpm import engine
from nova_temporality.vpm import runlock
from tests.framework import machine


# Much more than a guest that is well takes on a busy machine. One that hangs
# is given up after that time.
_TIMEOUT_MS = 5000


def test_hung_qemu_delays_nobody(host):
    host.configure(timeout_ms=_TIMEOUT_MS)
    hung, sound = host.booted(), host.booted()
    notifier = host.notifier()
    notifier.protect(hung, sound)
    hung.hang()

    report = notifier.power_fails()

    assert machine.outcome(report, sound)['result'] == 'fixated'
    assert machine.outcome(report, sound)['fixated_ms'] < _TIMEOUT_MS
    assert machine.outcome(report, hung)['result'] == 'failed'
    assert machine.outcome(report, hung)['reason']
    host.power_cut()
    assert sound.proven()
    assert not hung.proven()


def test_hung_qemu_wakes_up_after_call_off(host):
    host.configure(timeout_ms=300)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    guest.hang()
    notifier.power_fails()
    assert notifier.state(guest) == 'not armed'
    guest.wake()
    # Perhaps it still executes what it was told at the event.
    machine.wait_for(lambda: notifier.state(guest) in ('armed', 'stopped'),
                     'an answer')
    assert not guest.proven()
    notifier.call('resume')
    guest.wait_counting()
    assert notifier.state(guest) == 'armed'

    host.configure(timeout_ms=20000)
    notifier.end()
    notifier.protect(guest)
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'


def test_qemu_dies_unnoticed(host):
    dead, sound = host.booted(), host.booted()
    host.configure(scan_ms=60000)
    notifier = host.notifier()
    notifier.protect(dead, sound)
    dead.kill()

    report = notifier.power_fails()

    assert machine.outcome(report, sound)['result'] == 'fixated'
    assert machine.outcome(report, dead)['result'] == 'skipped'


def test_qemu_restarted_unnoticed(host):
    guest = host.booted()
    host.configure(scan_ms=60000)
    notifier = host.notifier()
    notifier.protect(guest)
    guest.kill()
    guest.boot()

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'fixated'


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


@pytest.fixture(params=['migrate', 'snapshot'])
def any_route(request):
    """What makes the notifier take one of the two routes."""
    if request.param == 'migrate':
        return None
    return [machine.NOTIFIER_AT, 'snapshot-route']


def test_disk_that_cannot_be_flushed(host, tmp_path, any_route):
    # An IDE disk has a write cache, whatever its driver knows about that.
    guest = host.guest(disk_device='ide-hd')
    image = shutil.copy(guest.image, tmp_path)  # tmpfs may not do direct I/O
    guest.disk = failing(dict(guest.disk, filename=str(image)),
                         iotype='flush')
    guest.cache = {'direct': True}
    guest.boot()
    notifier = host.notifier(any_route)
    notifier.protect(guest)

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'failed'
    assert 'QEMU cannot save' in machine.outcome(report, guest)['reason']
    assert not guest.proven()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_disk_error_is_survived(host, any_route):
    """A request that failed is kept, and made again by the next QEMU."""
    guest = host.guest()
    disk = guest.disk
    guest.disk = failing(disk, iotype='write')
    guest.boot(wait=False)
    machine.wait_for(lambda: guest.runstate() == 'io-error', 'the error')
    notifier = host.notifier(any_route)
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()

    guest.disk = disk
    assert guest.recover().meta.runstate == 'io-error'
    guest.wait_counting()
    with open(guest.image, 'rb') as image:
        first = image.read(512)
        assert image.read(512) == first


def failing(disk, **rule):
    """A disk on which some requests fail."""
    return {'driver': 'blkdebug', 'image': disk,
            'inject-error': [dict(rule, event='none')]}


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


def flip_first_stream_byte(state):
    state[state.index(b'QEVM')] ^= 1


def cut_stream(state):
    end = len(state.rstrip(b'\0'))
    state[end - 4096:end] = bytes(4096)


def cut_file(state):
    del state[4096:]


def empty_file(state):
    del state[:]


@pytest.mark.parametrize('damage', [flip_first_stream_byte, cut_stream,
                                    cut_file, empty_file])
def test_damaged_state_is_not_loaded(host, damage):
    guest, _ = host.fixated()
    with open(guest.state_path(), 'rb') as f:
        state = bytearray(f.read())
    damage(state)
    with open(guest.state_path(), 'wb') as f:
        f.write(state)
    assert_refused(guest)


def test_every_page_of_a_state_counts(host):
    guest, _ = host.fixated()
    with open(guest.state_path(), 'r+b') as f:
        state = f.read()
        for offset in range(100, len(state.rstrip(b'\0')), 4096):
            f.seek(offset)
            f.write(bytes([state[offset] ^ 0x10]))
            f.flush()
            assert not guest.proven(), offset
            f.seek(offset)
            f.write(state[offset:offset + 1])
            f.flush()
    assert guest.proven()


def test_state_of_earlier_epoch_is_not_loaded(host):
    guest, _ = host.fixated()
    with open(guest.state_path(), 'rb') as f:
        old = f.read()
    guest.recover()
    guest.wait_counting()
    guest.kill()
    assert_refused(guest)
    with open(guest.state_path(), 'r+b') as f:
        f.write(old)
    assert_refused(guest)


def test_state_of_other_guest_is_not_loaded(host):
    (guest, _), (other, _) = host.fixated(), host.fixated()
    with open(other.state_path(), 'rb') as f:
        state = f.read()
    with open(guest.state_path(), 'r+b') as f:
        f.write(state)
    assert_refused(guest)


def assert_refused(guest):
    guest.start('-incoming', 'defer')
    with guest.monitor() as monitor:
        with pytest.raises(vpm.Unproven) as e:
            incoming.load_state(monitor, guest.pool, guest.region,
                                machine.PATIENCE)
        assert str(e.value)
        assert monitor.command('query-status')['status'] == 'inmigrate'
    guest.kill()


# It gives up at the first bytes, or at the last ones.
@pytest.mark.parametrize('machine_type, vga', [('q35', False), ('pc', True)])
def test_qemu_that_differs_does_not_load(host, machine_type, vga):
    guest, _ = host.fixated()
    guest.start('-incoming', 'defer', '-machine', machine_type, vga=vga)
    with pytest.raises(incoming.RecoveryError) as e:
        guest.load()
    assert 'QEMU cannot load' in str(e.value)
    assert guest.proven()
    guest.kill()

    # The state is still good for the right QEMU.
    guest.recover()
    guest.wait_counting()


def test_qemu_that_runs_does_not_load(host):
    guest, _ = host.fixated()
    guest.start()
    with pytest.raises(incoming.RecoveryError) as e:
        guest.load()
    assert '-incoming defer' in str(e.value)


def test_qemu_that_hangs_does_not_load(host):
    guest, _ = host.fixated()
    guest.start('-incoming', 'defer')
    with guest.monitor() as monitor:
        guest.hang()
        with pytest.raises(incoming.RecoveryError) as e:
            incoming.load_state(monitor, guest.pool, guest.region, 0.2)
    assert 'in time' in str(e.value)
    assert guest.proven()


def test_guest_started_by_hand_invalidates_its_state(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    assert guest.proven()

    with guest.monitor() as monitor:
        monitor.command('cont')

    machine.wait_for(lambda: not guest.proven(), 'the state is invalidated')
    assert notifier.state(guest) == 'armed'


def test_guest_started_by_hand_just_before_power_fails(host):
    host.configure(scan_ms=60000)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    stale = guest.counter()
    with guest.monitor() as monitor:
        monitor.command('cont')
    guest.wait_counting()

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['fixated_ms']
    machine.wait_for(lambda: guest.runstate() == 'postmigrate', 'the end')
    host.power_cut()
    before = guest.counter()
    assert before > stale
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before


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


def test_nothing_starts_while_power_fails(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()

    with pytest.raises(runlock.RunLockTimeout):
        runlock.RunLock(guest.region).acquire(0)

    notifier.call('resume')
    with runlock.RunLock(guest.region):
        pass


def test_start_under_way_delays_fixation(host):
    host.configure(timeout_ms=300)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    with runlock.RunLock(guest.region):
        report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'failed'
    assert not guest.proven()


def test_late_answer_does_not_prove_a_state(host):
    """What was given up stays unproven, even if QEMU completes later."""
    host.configure(timeout_ms=500)
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(guest)

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'failed'
    guest.wake()
    machine.wait_for(lambda: notifier.state(guest) == 'stopped', 'reconnect')
    assert not guest.proven()
    assert guest.capabilities() == set()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_second_attempt_knows_that_guest_ran(host):
    host.configure(timeout_ms=_TIMEOUT_MS)
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(guest)
    notifier.power_fails()
    guest.wake()
    machine.wait_for(lambda: notifier.state(guest) == 'stopped', 'reconnect')
    assert guest.runstate() == 'paused'

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'fixated'
    host.power_cut()
    assert guest.recover().meta.runstate == 'running'
    guest.wait_counting()


def test_disconnected_client_is_of_no_use(host):
    guest = host.booted()
    with guest.monitor() as monitor:
        guest.kill()
        with pytest.raises(qmp.QmpConnectionError):
            monitor.command('query-status')
        assert not monitor.connected


class Platform:
    """Stands for platform.Platform."""

    remedy = 'another host'

    def __init__(self, problem=None):
        self.problem = lambda: problem


@pytest.fixture
def fixate_on(host):
    """Fixate a guest on a Platform; return it, the Pvm and the Outcome."""
    made = []

    def fixate(platform, caches=None):
        guest = host.booted()
        # As the notifier does.
        os.makedirs(os.path.dirname(paths.stopped_note(host.run_dir, '')))
        fixates = engine.Engine(host.pool)
        if caches is not None:
            fixates.write_back_by(caches)
        one = pvm.Pvm(host.pool, fixates, guest.region, host.run_dir, 60,
                      platform)
        made.append(one)
        one.check().result()
        deadline_ns = time.monotonic_ns() + 20 * 10**9
        return guest, one, one.fixate(power.PowerEvent.now('test'),
                                      deadline_ns).outcome()
    yield fixate
    for one in made:
        one.close()


def test_armed_after_the_others_were_fired(fixate_on):
    guest, _one, outcome = fixate_on(Platform())
    assert outcome.result == attempts.FIXATED
    assert outcome.fixated_ms
    assert guest.proven()


def test_no_marker_if_caches_are_not_written_back(fixate_on):
    with open('/dev/null') as no_driver:
        guest, _one, outcome = fixate_on(Platform(), no_driver.fileno())
    assert outcome.result == attempts.FAILED
    assert 'CPU caches are not written back' in outcome.reason
    assert not guest.proven()
    assert guest.stands_still()


def test_host_that_loses_cpu_caches_protects_nobody(fixate_on):
    guest, one, outcome = fixate_on(Platform('no eADR here'))
    assert one.condition == conditions.Condition(
        conditions.NOT_ARMED, 'no eADR here', 'another host')
    assert outcome.result == attempts.FAILED
    assert outcome.reason == 'no eADR here'
    assert not guest.proven()
    guest.wait_counting()
