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

"""Creating, restarting and deleting persistent servers in the real cloud."""

import os
import stat

import pytest

from pocketcloud import client
from pocketcloud import layout
from pocketcloud import services

from nova_temporality import vpm

from tests.cloud import helpers


def test_life_of_a_persistent_server(servers):
    helpers.create(servers, 'pvm', '--property', 'persistent=true')
    uuid = client.wait_status('pvm', 'ACTIVE')['id']
    assert helpers.allocations(uuid) == {
        'VCPU': 1, 'DISK_GB': 1, 'CUSTOM_NVRAM_MB': 256,
        # what its QEMU takes, and its page tables
        'MEMORY_MB': 96 + 1}
    region = helpers.regions()[uuid]
    assert region.size == 256 << 20

    # its memory is its QEMU's alone
    memory = os.stat(region.ram_path)
    [pid] = helpers.qemu_pids(region)
    assert memory.st_uid == os.stat('/proc/%d' % pid).st_uid == region.uid
    assert stat.S_IMODE(memory.st_mode) == 0o600
    assert region.uid not in (0, os.getuid())

    # restarts of our daemons touch nothing
    helpers.wait_pvms([uuid], 'armed')
    for name in ('nova-compute', 'notifier', 'engine'):
        service = services.of_host(name)
        service.stop()
        service.start()
    helpers.wait_pvms([uuid], 'armed')
    assert helpers.qemu_pids(region) == [pid]
    assert client.show('pvm')['status'] == 'ACTIVE'

    # a fixated server still counts as running
    client.temporality('fixate')
    assert client.show('pvm')['OS-EXT-STS:power_state'] in (1, 'Running')
    client.temporality('resume')

    client.run('openstack', 'server', 'reboot', '--hard', 'pvm')
    client.wait_status('pvm', 'ACTIVE')
    assert helpers.regions()[uuid].id == region.id

    client.delete('pvm')
    assert uuid not in helpers.regions()
    assert helpers.allocations(uuid) == {}
    assert not os.path.exists(region.ram_path)
    assert vpm.check(str(layout.POOL)) == []


def test_flavor_and_its_validation(servers, flavors):
    flavors('tp.persistent', '--ram', '128',
            '--property', 'temporality:persistent=true')
    helpers.create(servers, 'by-flavor', flavor='tp.persistent')
    uuid = client.wait_status('by-flavor', 'ACTIVE')['id']
    assert helpers.allocations(uuid)['CUSTOM_NVRAM_MB'] == 128
    assert helpers.regions()[uuid].size == 128 << 20
    with pytest.raises(RuntimeError, match='maybe'):
        client.run('openstack', '--os-compute-api-version', '2.86', 'flavor',
                   'set', 'tp.persistent',
                   '--property', 'temporality:persistent=maybe')


def test_wrong_value_is_named(servers):
    helpers.create(servers, 'doubtful', '--property', 'persistent=maybe')
    fault = helpers.wait_error('doubtful')
    assert "'maybe'" in fault
    assert 'true' in fault


def test_no_host_has_that_much_nvram(servers, flavors):
    before = helpers.regions()
    flavors('tp.huge', '--ram', '8192')
    helpers.create(servers, 'huge', '--property', 'persistent=true',
                   flavor='tp.huge')
    assert 'No valid host' in helpers.wait_error('huge')
    assert helpers.regions() == before


def test_refused_before_anything_is_allocated(servers, flavors):
    before = helpers.regions()
    flavors('tp.pages', '--ram', '128', '--property', 'hw:mem_page_size=1GB')
    helpers.create(servers, 'pages', '--property', 'persistent=true',
                   flavor='tp.pages')
    assert 'pages of 1048576 KiB' in helpers.wait_error('pages')
    assert helpers.regions() == before
