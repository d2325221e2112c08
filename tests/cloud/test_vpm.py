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

"""A server with more memory than NVRAM over a power cut."""

import threading

import redis

KEYS = 60000
LENGTH = 2048


def _memory(uuid):
    """Bytes of a server in NVRAM and in swap, and the pages swapped out."""
    from powercut import client
    [row] = [row for row in client.temporality('region', 'list')
             if row['Server'] == uuid]
    return row


def test_power_fails_in_the_midst_of_swapping(servers, flavors):
    from pocketcloud import host
    from pocketcloud import tenant
    from powercut import client
    from powercut import guest
    from tests.cloud import helpers
    flavors('tp.paged', '--ram', '320', '--property', 'temporality:mrr=40',
            '--property', 'temporality:persistent=true')
    helpers.create(servers, 'paged', flavor='tp.paged')
    properties = client.wait_status('paged', 'ACTIVE', 120)
    uuid = properties['id']
    assert helpers.allocations(uuid)['CUSTOM_NVRAM_MB'] == 128
    region = helpers.regions()[uuid]
    assert region.size == 128 << 20
    assert region.virtual_size == 320 << 20

    def connect():
        network = client.openstack('network', 'show', tenant.NETWORK)['id']
        found = guest.Guest('qdhcp-' + network, client.address(properties),
                            LENGTH)
        return found, found.wait(120)

    server, before = connect()
    server.fill(KEYS)
    assert server.count(KEYS) == KEYS
    paging = _memory(uuid)
    assert paging['In Swap'] > 0
    assert paging['Swap-outs'] > 0
    assert paging['Error'] is None
    helpers.wait_pvms([uuid], 'armed')

    # it writes and reads all over its memory when the power fails
    def work():
        try:
            while True:
                server.fill(KEYS)
        except redis.RedisError:
            pass

    worker = threading.Thread(target=work)
    worker.start()
    helpers.power_fails([uuid])
    host.power_cut()
    worker.join()
    helpers.boot()

    properties = client.wait_status('paged', 'ACTIVE', 120)
    server, after = connect()
    assert after.boot_id == before.boot_id
    assert after.uptime >= before.uptime
    assert server.count(KEYS) == KEYS
    assert _memory(uuid)['Error'] is None
