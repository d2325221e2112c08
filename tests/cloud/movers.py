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


"""A server that moves between two hosts, and what is checked of it."""

import os
import signal

from pocketcloud import client
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import tenant

from nova_temporality import vpm

from tests.cloud import helpers

_MIB = 256
_KEYS = 1000


class Mover:
    """One server, and what can be seen of it on both hosts."""

    def __init__(self, name):
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
            interval=0.5, wait=client.PATIENCE)

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
        region = helpers.regions(which).get(self.id)
        return helpers.qemu_pids(region, which) if region else []

    def check(self, which, claimed=(), status='ACTIVE'):
        """It runs on this host, and there is nothing of it on the other.

        :param claimed: hosts whose NVRAM is claimed besides
        """
        server = self.wait(status)
        assert server.compute_host == which.name
        assert server.power_state == 1
        for one in self.first, self.second:
            regions = [self.id] if one == which else []
            # Nova does not wait for the other host.
            helpers.wait(lambda: list(helpers.regions(one)) == regions)
            assert len(self.qemus(one)) == len(regions)
            assert vpm.check(str(one.pool)) == []
        assert helpers.nvram_claims() == {
            one.name: _MIB if one in (which, *claimed) else 0
            for one in (self.first, self.second)}

    def wait_armed(self, which):
        helpers.wait_pvms([self.id], 'armed', which=which)

    def booted(self):
        """Wait until its guest answers; fill it; return its guest.Life."""
        self.guest = helpers.guest_of(self.id)
        life = self.guest.wait()
        self.guest.fill(_KEYS)
        return life

    def check_ran_on(self, before, connection):
        """Check that the guest ran on, and that nobody had to connect again.

        :param before: guest.Life
        """
        after = self.guest.wait()
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
            interval=0.5, wait=client.PATIENCE)
        self.compute.reset_server_state(self.id, 'active')
        # Nova does not know any more that it is paused.
        self.pause()
        self.unpause()
