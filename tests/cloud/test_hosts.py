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

"""Servers that move between two compute hosts, one life in the real cloud.

Each test leaves the server where the next one finds it. nova-compute runs in
native threads on the first host and under eventlet on the second one.

It is paused while it is migrated live, as emulated CPUs must not run meanwhile
(doc/source/contributor/decisions.rst).
"""

import os
import signal

from openstack import exceptions
import pytest

from pocketcloud import client
from pocketcloud import host
from pocketcloud import second_host
from pocketcloud import services
from pocketcloud import tenant

from nova_temporality import vpm

from tests.cloud import helpers
from tests.cloud import movers


@pytest.fixture
def local_mover(hosts, mover):
    """The same with its disk on its host's own; the other server is gone."""
    client.delete('mover')
    second_host.up(lambda *args: None, shared=False)
    local_mover = movers.Mover('local-mover')
    yield local_mover
    client.delete('local-mover')


def test_each_runs_in_its_concurrency_mode(mover):
    for one, eventlet in (mover.first, False), (mover.second, True):
        service = services.of_host('nova-compute', one)
        with service.log.open('rb') as log:
            log.seek(service.record.read().log_offset)
            # In Nova's own words.
            assert (b'Eventlet based concurrency mode' in
                    log.read()) == eventlet


def test_cold_migration_is_reverted(mover):
    lives = [mover.booted()]
    mover.wait_armed(mover.first)
    mover.compute.migrate_server(mover.id)
    mover.check(mover.second, claimed=[mover.first], status='VERIFY_RESIZE')
    mover.wait_armed(mover.second)
    lives.append(mover.booted())
    mover.compute.revert_server_resize(mover.id)
    mover.check(mover.first)
    lives.append(mover.booted())
    assert len({life.boot_id for life in lives}) == 3


def test_running_server_with_emulated_cpus_is_not_migrated_live(mover):
    mover.wait_armed(mover.first)
    before, connection = mover.guest.life(), mover.guest.connection()
    with pytest.raises(exceptions.BadRequestException):
        mover.migrate_live(mover.second)
    assert 'pause the server first' in str(mover.told('live-migration'))
    mover.check(mover.first)
    mover.check_ran_on(before, connection)


def test_live_migration_then_power_cut(mover):
    before, connection = mover.guest.life(), mover.guest.connection()
    mover.moves_live(mover.second, before, connection)

    mover.wait_armed(mover.second)
    before = mover.guest.life()
    mover.lives_through_a_power_cut(mover.second, before, connection)


def test_cold_migration_is_confirmed(mover):
    for one in mover.first, mover.second:
        tenant.wait_compute_service(one)
    mover.compute.migrate_server(mover.id)
    mover.wait('VERIFY_RESIZE')
    mover.compute.confirm_server_resize(mover.id)
    mover.check(mover.first)
    mover.booted()


def test_live_migration_is_aborted(mover):
    before, connection = mover.guest.life(), mover.guest.connection()
    mover.wait_armed(mover.first)
    [qemu] = mover.qemus(mover.first)
    target = mover.moves_for_ever(mover.second)
    # It is protected by nobody now, and both notifiers say so.
    for one in mover.first, mover.second:
        [pvm] = client.temporality('status', which=one)['pvms']
        assert (pvm['state'], pvm['reason']) == (
            'not armed', 'it is being migrated live')
    [fixated] = client.temporality('fixate')
    assert 'migrated live' in str(fixated)
    client.temporality('resume')

    [migration] = mover.migrations()
    mover.compute.abort_server_migration(migration, mover.id)
    os.kill(target, signal.SIGCONT)
    mover.unpause_after_failure()
    mover.check(mover.first)
    mover.wait_armed(mover.first)
    assert mover.qemus(mover.first) == [qemu]
    mover.check_ran_on(before, connection)


def test_evacuated_server_runs_once(mover):
    mover.wait_armed(mover.first)
    helpers.power_fails([mover.id])
    host.power_cut()
    [service] = mover.compute.services(binary='nova-compute',
                                       host=mover.first.name)

    def force_down(down):
        mover.compute.update_service_forced_down(
            service, service.host, service.binary, down)

    force_down(True)
    mover.compute.evacuate_server(mover.id)
    # It is off there, as Nova's API wants it since 2.95.
    mover.wait('SHUTOFF')
    # A proven state waits in the dark, ...
    [dark] = helpers.regions(mover.first).values()
    with vpm.Pool(str(mover.first.pool)) as pool:
        pool.verify_state(dark.id)
    mover.compute.start_server(mover.id)
    mover.wait('ACTIVE')
    [pid] = mover.qemus(mover.second)
    helpers.boot()
    # Nova does not allow it any earlier.
    force_down(False)
    # ... and is discarded.
    mover.check(mover.second)
    assert mover.qemus(mover.second) == [pid]
    # The first host has the network's DHCP server, too.
    mover.booted()


def test_block_migration_then_power_cut(local_mover):
    mover = local_mover
    before, connection = mover.booted(), mover.guest.connection()
    mover.wait_armed(mover.first)
    mover.moves_live(mover.second, before, connection)
    directories = [one.disk / 'nova/instances' / mover.id
                   for one in (mover.first, mover.second)]
    helpers.wait(lambda: not directories[0].exists())
    assert (directories[1] / 'disk').exists()

    # What Nova made of it there has to be durable now.
    mover.wait_armed(mover.second)
    mover.lives_through_a_power_cut(mover.second, before, connection)
