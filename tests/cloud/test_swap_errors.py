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

"""A server whose swapped memory is damaged, beside one that is well."""

import os

import redis

from pocketcloud import client
from pocketcloud import guest
from pocketcloud import host
from pocketcloud import tenant

from tests.cloud import helpers

KEYS = 50000
LENGTH = 2048


def _damage(path):
    """Flip a bit in every page of a swap file."""
    with open(path, 'r+b') as swap:
        for offset in range(1000, os.fstat(swap.fileno()).st_size, 4096):
            swap.seek(offset)
            byte = swap.read(1)
            swap.seek(offset)
            swap.write(bytes([byte[0] ^ 1]))
        os.fsync(swap.fileno())


def test_damaged_swap_stops_its_server_alone(servers, flavors):
    flavors('tp.damaged', '--ram', '256', '--property', 'temporality:mrr=30',
            '--property', 'temporality:persistent=true')
    helpers.create(servers, 'damaged', flavor='tp.damaged')
    helpers.create(servers, 'well', '--property', 'persistent=true')
    properties = {name: client.wait_status(name, 'ACTIVE')
                  for name in ('damaged', 'well')}
    uuids = {name: found['id'] for name, found in properties.items()}
    network = client.openstack('network', 'show', tenant.NETWORK)['id']
    damaged, well = (
        guest.Guest('qdhcp-' + network, client.address(properties[name]),
                    LENGTH) for name in ('damaged', 'well'))
    for one in (damaged, well):
        one.wait()
    damaged.fill(KEYS)
    before = well.life()
    helpers.wait_pvms(uuids.values(), 'armed')

    _damage(helpers.regions()[uuids['damaged']].swap_path)
    try:
        # no wrong value is ever seen
        assert damaged.count(KEYS) == KEYS
        raise AssertionError('all of it was in NVRAM')
    except redis.RedisError:
        pass
    fault = helpers.wait_error('damaged')
    assert 'A part of its memory is lost' in fault
    assert 'torn or foreign: page' in fault
    region = helpers.regions()[uuids['damaged']]
    assert helpers.qemu_pids(region) == []
    # kept for the operator
    assert os.path.exists(region.swap_path)
    assert well.life().boot_id == before.boot_id
    helpers.wait_pvms([uuids['damaged']], 'off')

    helpers.power_fails([uuids['well']])
    host.power_cut()
    helpers.boot()
    client.wait_status('well', 'ACTIVE')
    assert helpers.wait_error('damaged') == fault
    assert helpers.qemu_pids(region) == []
    well = guest.Guest('qdhcp-' + network, client.address(
        client.show('well')), LENGTH)
    assert well.wait().boot_id == before.boot_id

    client.run('openstack', 'server', 'reboot', '--hard', 'damaged')
    helpers.wait_healed('damaged')
    helpers.wait_pvms([uuids['damaged']], 'armed')
