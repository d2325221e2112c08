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


"""A server in the cloud, and what its tenant does with it."""

from pocketcloud import client
from pocketcloud import host
from pocketcloud import tenant

from tests.cloud import helpers


class Actor:
    """One server, and what can be done with it."""

    def __init__(self, names, flavor=None, name='actor', **options):
        self.cloud = tenant.connect()
        self.compute = self.cloud.compute
        self.image = self.cloud.image.find_image(tenant.IMAGE)
        self.network = self.cloud.network.find_network(tenant.NETWORK).id
        names.append(name)
        options.setdefault('image_id', self.image.id)
        self.id = self.compute.create_server(
            name=name, flavor_id=self.flavor(flavor or tenant.FLAVOR),
            networks=[{'uuid': self.network}], **options).id
        self.wait('ACTIVE')

    def flavor(self, name):
        return self.compute.find_flavor(name).id

    def wait(self, status):
        """Wait for a status and the end of the action."""
        return self.compute.wait_for_server(
            self.compute.get_server(self.id), status, failures=['ERROR'],
            interval=0.5, wait=client.PATIENCE)

    def status(self):
        """Its status, as Nova has it now."""
        return self.compute.get_server(self.id).status

    def becomes(self, status):
        """Wait for a status, also of a server in ERROR."""
        helpers.wait(lambda: self.status() == status)

    def do(self, action, status, *args, **kwargs):
        """Begin an action and wait for the status that it leads to."""
        getattr(self.compute, action + '_server')(self.id, *args, **kwargs)
        return self.wait(status)

    def life(self):
        return helpers.life(self.id)

    @property
    def region(self):
        """Its region, or None."""
        return helpers.regions().get(self.id)

    def nvram(self):
        """MiB of NVRAM that it holds in Placement."""
        return helpers.allocations(self.id).get('CUSTOM_NVRAM_MB', 0)

    def qemus(self):
        return helpers.qemu_pids(self.region)

    def interfaces(self):
        """How many network interfaces its machine has."""
        return host.domain(self.id).count('<interface ')

    def disks(self):
        """How many disks its machine has."""
        return host.domain(self.id).count('<disk ')

    def actions(self):
        """What was done with it, as Nova tells."""
        return [one.action for one in self.compute.server_actions(self.id)]

    def results(self, action):
        """What came of an action, each time that it was done."""
        return [event.result
                for one in self.compute.server_actions(self.id)
                if one.action == action
                for event in self.compute.get_server_action(
                    one.request_id, self.id).events]

    def wait_armed(self):
        helpers.wait_pvms([self.id], 'armed')

    def power_cut(self, fixated=True):
        """Cut the power, and boot the host.

        :param fixated: whether it runs, so that it is fixated and recovered
        """
        if fixated:
            helpers.power_fails([self.id])
        host.power_cut()
        helpers.boot()
        if fixated:
            self.wait_armed()
