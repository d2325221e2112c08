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

"""A planned reboot of the compute host, and a host with no energy left."""

import pytest

from pocketcloud import client
from pocketcloud import config
from pocketcloud import guest
from pocketcloud import host
from pocketcloud import tenant

from tests.cloud import helpers


def _inventory():
    """Of the host's NVRAM, in Placement."""
    return helpers.placement('/resource_providers/%s/inventories'
                             % helpers.node().id)[
        'inventories']['CUSTOM_NVRAM_MB']


@pytest.fixture
def hold_up(cloud):
    """Give the host another hold-up time, from its next start on."""
    def change(milliseconds):
        path = config.FILES['temporality.conf']
        path.write_text(path.read_text().replace(
            'hold_up_ms = 2000', 'hold_up_ms = %d' % milliseconds))

    yield change
    config.render()
    helpers.boot()


def test_servers_are_kept_over_a_planned_reboot(servers, flavors, hold_up):
    flavors('tp.first', '--ram', '256',
            '--property', 'temporality:persistent=true',
            '--property', 'temporality:priority=90')
    helpers.create(servers, 'kept', flavor='tp.first')
    helpers.create(servers, 'still', '--property', 'persistent=true')
    kept, still = (client.wait_status(name, 'ACTIVE')
                   for name in ('kept', 'still'))
    client.run('openstack', 'server', 'pause', 'still')
    network = 'qdhcp-' + client.openstack('network', 'show',
                                          tenant.NETWORK)['id']
    before = guest.Guest(network, client.address(kept)).wait()
    helpers.wait_pvms([kept['id'], still['id']], 'armed')
    assert {pvm['name']: pvm['priority'] for pvm in
            client.temporality('status')['pvms']} == {
        kept['id']: 90, still['id']: 50}

    # in the order in which units stop
    list(host.stop_observers())
    report = client.temporality('fixate', '--for-reboot')
    assert [(pvm['Result'], pvm['Ended']) for pvm in report] == (
        2 * [('fixated', True)]), report
    # libvirt has nobody to shut down or save, once it has noticed
    helpers.wait(lambda: not host.domains())
    assert 'guests: 0 turned off' in list(host.shut_down())
    hold_up(1)
    helpers.boot()
    helpers.wait_pvms([kept['id'], still['id']], 'armed')

    kept = client.wait_status('kept', 'ACTIVE')
    after = guest.Guest(network, client.address(kept)).wait()
    assert after.boot_id == before.boot_id
    assert after.uptime >= before.uptime
    assert client.show('still')['status'] == 'PAUSED'
    client.run('openstack', 'server', 'unpause', 'still')
    helpers.wait_pvms([kept['id'], still['id']], 'armed')
    status = client.temporality('status')
    assert {pvm['name']: pvm['priority'] for pvm in status['pvms']} == {
        kept['id']: 90, still['id']: 50}

    # what was there runs on, though power would not last for it: no more
    assert status['budget']['fits'] is False
    assert _inventory()['reserved'] == _inventory()['total'] - 2 * 256
    assert helpers.allocations(kept['id'])['CUSTOM_NVRAM_MB'] == 256
    helpers.create(servers, 'refused', flavor='tp.first')
    assert 'No valid host' in helpers.wait_error('refused')
