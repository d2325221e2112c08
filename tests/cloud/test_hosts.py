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

from nova_temporality import vpm

_MIB = 256
_KEYS = 1000


@pytest.fixture(scope='module')
def hosts(cloud):
    """A second host is there."""
    from pocketcloud import second_host
    second_host.up(lambda *args: None)
    yield
    second_host.down()


@pytest.fixture(scope='module')
def mover(hosts):
    """A persistent server on the first host."""
    from pocketcloud import client
    mover = Mover('mover')
    yield mover
    client.delete('mover')


@pytest.fixture
def local_mover(hosts, mover):
    """The same with its disk on its host's own; the other server is gone."""
    from pocketcloud import client
    from pocketcloud import second_host
    client.delete('mover')
    second_host.up(lambda *args: None, shared=False)
    local_mover = Mover('local-mover')
    yield local_mover
    client.delete('local-mover')


class Mover:
    """One server, and what can be seen of it on both hosts."""

    def __init__(self, name):
        from pocketcloud import layout
        from pocketcloud import tenant
        cloud = tenant.connect()
        self.first, self.second = layout.FIRST, layout.SECOND
        self.compute = cloud.compute
        self.id = self.compute.create_server(
            name=name, image_id=cloud.image.find_image(tenant.IMAGE).id,
            flavor_id=self.compute.find_flavor(tenant.FLAVOR).id,
            networks=[{'uuid': cloud.network.find_network(
                tenant.NETWORK).id}],
            host=self.first.name, metadata={'persistent': 'true'}).id
        self.wait('ACTIVE')
        self.guest = None

    def wait(self, status):
        """Wait for a status and the end of the action; return the server."""
        return self.compute.wait_for_server(
            self.compute.get_server(self.id), status, failures=['ERROR'],
            interval=0.5, wait=180)

    def migrate_live(self, which):
        self.compute.live_migrate_server(
            self.id, host=which.name, block_migration='auto')

    def told(self, action):
        """Why actions of a kind failed, for each event in them, or None."""
        return [event.details
                for one in self.compute.server_actions(self.id)
                if one.action == action
                for event in self.compute.get_server_action(
                    one.request_id, self.id).events]

    def migrations(self):
        """Its live migrations that are under way, {id: status}."""
        return {one.id: one.status
                for one in self.compute.server_migrations(self.id)}

    def qemus(self, which):
        """The pids of its QEMUs on a host."""
        from tests.cloud import helpers
        region = helpers.regions(which).get(self.id)
        return helpers.qemu_pids(region, which) if region else []

    def check(self, which, claimed=(), status='ACTIVE'):
        """It runs on this host, and there is nothing of it on the other.

        :param claimed: hosts whose NVRAM is claimed besides
        """
        from tests.cloud import helpers
        server = self.wait(status)
        assert server.compute_host == which.name
        assert server.power_state == 1
        for one in self.first, self.second:
            regions = [self.id] if one == which else []
            # Nova does not wait for the other host.
            helpers.wait(lambda: list(helpers.regions(one)) == regions, 60)
            assert len(self.qemus(one)) == len(regions)
            assert vpm.check(str(one.pool)) == []
        assert helpers.nvram_claims() == {
            one.name: _MIB if one in (which, *claimed) else 0
            for one in (self.first, self.second)}

    def wait_armed(self, which):
        from tests.cloud import helpers
        helpers.wait_pvms([self.id], 'armed', which=which)

    def booted(self):
        """Wait until its guest answers; fill it; return its guest.Life."""
        from tests.cloud import helpers
        self.guest = helpers.guest_of(self.id)
        life = self.guest.wait(180)
        self.guest.fill(_KEYS)
        return life

    def check_ran_on(self, before, connection):
        """Check that the guest ran on, and that nobody had to connect again.

        :param before: guest.Life
        """
        after = self.guest.wait(60)
        assert after.boot_id == before.boot_id
        assert after.uptime >= before.uptime
        assert self.guest.count(_KEYS) == _KEYS
        assert self.guest.connection() == connection

    def moves_live(self, which, before, connection):
        """Migrate it to a host, paused; check that it ran on there."""
        self.pause()
        self.migrate_live(which)
        self.wait('PAUSED')
        self.unpause()
        self.check(which)
        self.check_ran_on(before, connection)

    def moves_for_ever(self, target):
        """Begin a live migration to a host that does not take the memory.

        :returns: the pid of the QEMU there, which goes on after SIGCONT
        """
        from tests.cloud import helpers
        held = []

        def hold():
            held.extend(self.qemus(target))
            for pid in held:
                os.kill(pid, signal.SIGSTOP)
            return held

        self.pause()
        self.migrate_live(target)
        helpers.wait(hold)
        helpers.wait(lambda: 'running' in self.migrations().values())
        return held[0]

    def lives_through_a_power_cut(self, which, before, connection):
        """Cut the power of its host; check that it runs on."""
        from pocketcloud import host
        from tests.cloud import helpers
        helpers.power_fails([self.id], which)
        host.power_cut(which)
        helpers.boot(which)
        self.wait_armed(which)
        self.check_ran_on(before, connection)
        self.check(which)

    def pause(self):
        self.compute.pause_server(self.id)
        self.wait('PAUSED')

    def unpause(self):
        self.compute.unpause_server(self.id)
        self.wait('ACTIVE')

    def unpause_after_failure(self):
        """Have it run on after a live migration that failed.

        Nova 34 puts ordinary servers into ERROR, too, after it has cleaned up.
        """
        self.compute.wait_for_server(
            self.compute.get_server(self.id), 'ERROR', failures=[],
            interval=0.5, wait=120)
        self.compute.reset_server_state(self.id, 'active')
        # Nova does not know any more that it is paused.
        self.pause()
        self.unpause()


def test_each_runs_in_its_concurrency_mode(mover):
    from pocketcloud import services
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
    from pocketcloud import tenant
    for one in mover.first, mover.second:
        tenant.wait_compute_service(one)
    mover.compute.migrate_server(mover.id)
    mover.wait('VERIFY_RESIZE')
    mover.compute.confirm_server_resize(mover.id)
    mover.check(mover.first)
    mover.booted()


def test_live_migration_is_aborted(mover):
    from pocketcloud import client
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
    from pocketcloud import host
    from tests.cloud import helpers
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
    from tests.cloud import helpers
    mover = local_mover
    before, connection = mover.booted(), mover.guest.connection()
    mover.wait_armed(mover.first)
    mover.moves_live(mover.second, before, connection)
    directories = [one.disk / 'nova/instances' / mover.id
                   for one in (mover.first, mover.second)]
    helpers.wait(lambda: not directories[0].exists(), 60)
    assert (directories[1] / 'disk').exists()

    # What Nova made of it there has to be durable now.
    mover.wait_armed(mover.second)
    mover.lives_through_a_power_cut(mover.second, before, connection)
