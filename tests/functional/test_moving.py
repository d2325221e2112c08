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

"""A pVM's memory moves into another pool, while its vCPUs run."""

import pathlib

import pytest

from nova_temporality.host import notes
from nova_temporality import privsep
from nova_temporality.privsep import runs
from nova_temporality import vpm
from tests.framework import hosts
from tests.framework import machine


@pytest.fixture(autouse=True)
def unprivileged(monkeypatch):
    """Have what nova-compute does on pools done in this process."""
    monkeypatch.setattr(privsep.pool_pctxt, 'client_mode', False)


@pytest.fixture
def target_host(nvram):
    """Another host, with a pool of its own."""
    directory = pathlib.Path(nvram, 'target')
    directory.mkdir(0o755)
    with vpm.Pool.create(str(directory / 'pool'), total_size=128 << 20,
                         state_size=20 << 20, descriptors=2,
                         uid_base=0) as pool:
        host = hosts.Host(pool, str(directory / 'run'), directory)
        yield host
        host.power_cut()


def begin_move(guest):
    runs.begin_move(guest.pool.path, guest.run_dir, guest.name)


def end_move(guest):
    runs.end_move(guest.run_dir, guest.name)


def assert_left_alone(notifier, guest):
    """Power fails, and there is no state of a pVM that comes or goes."""
    report = notifier.power_fails()
    result = machine.outcome(report, guest)
    assert result['result'] == 'failed'
    assert 'migrated live' in result['reason']
    assert not guest.proven()
    notifier.call('resume')


def test_one_that_moves_is_left_alone(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    begin_move(guest)
    # disarmed already, so the engine does not even try
    assert notifier.pvm(guest.name)['state'] == 'not armed'
    assert_left_alone(notifier, guest)
    guest.wait_counting()
    # nova-compute dies; libvirt goes on
    runs._held.pop(guest.name).lock.close()
    assert_left_alone(notifier, guest)
    guest.wait_counting()
    end_move(guest)
    assert notifier.state(guest) == 'armed'


def test_one_that_moves_while_no_notifier_runs(host):
    """The engine keeps armed what a notifier has armed."""
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.kill()
    begin_move(guest)
    # nova-compute dies as well; libvirt goes on
    runs._held.pop(guest.name).lock.close()
    host.engine.process.send_signal(44)
    notifier.start()
    assert notifier.state(guest) == 'not armed'
    assert not guest.proven()
    guest.wait_counting()


@pytest.mark.parametrize('why, words', [
    (notes.MOVES, 'it is being migrated live'),
    (notes.CHANGES, 'its machine is being changed'),
    (notes.NOT_ON_RECORD, 'its machine was changed, and is not on record')])
def test_status_tells_why(host, why, words):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    runs.begin_move(guest.pool.path, guest.run_dir, guest.name, why)
    status = notifier.pvm(guest.name)
    assert (status['state'], status['reason']) == ('not armed', words)
    end_move(guest)


def test_notifier_that_is_not_there_does_no_harm(host):
    guest = host.booted()
    begin_move(guest)
    end_move(guest)
    guest.wait_counting()


# Migrations under TCG are known to lose pages.
@pytest.mark.parametrize('accel', ['kvm'], indirect=True)
def test_it_moves_and_is_protected_there(host, target_host, accel):
    source = host.booted(accel)
    target = target_host.guest(accel, name=source.name)
    here, there = host.notifier(), target_host.notifier()
    here.protect(source)
    there.start()

    begin_move(target)
    # held by the other host's nova-compute
    target_lock = runs._held.pop(target.name).lock
    target.start('-incoming', 'defer', paused=True)
    begin_move(source)
    uri = 'unix:%s' % (target_host.pool.path + '.sock')
    with target.monitor() as monitor:
        monitor.command('migrate-incoming', {'uri': uri})
    assert_left_alone(there, target)
    before = source.counter()
    with source.monitor() as monitor:
        monitor.command('migrate', {'uri': uri})
        machine.wait_for(lambda: monitor.command(
            'query-migrate')['status'] == 'completed', 'the migration')
    source.kill()
    end_move(source)
    # libvirt lets it run before nova-compute knows
    assert_left_alone(there, target)
    with target.monitor() as monitor:
        monitor.command('cont')
    target.wait_counting()
    assert_left_alone(there, target)
    target_lock.close()
    end_move(target)
    assert not source.proven()

    assert there.state(target) == 'armed'
    report = there.power_fails()
    assert machine.outcome(report, target)['result'] == 'fixated'
    target_host.power_cut()
    target.recover()
    target.wait_counting()
    assert target.counter() > before
    assert target.boots() == 1
