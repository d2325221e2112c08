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

"""What tenants do with persistent servers, in the real cloud."""

import pytest

from pocketcloud import client

from tests.cloud import actors
from tests.cloud import helpers


@pytest.fixture(scope='module')
def actor(cloud):
    """A persistent server, for one test after the other."""
    names = []
    yield actors.Actor(names, metadata={'persistent': 'true'})
    client.delete(*names)


def test_image_leaves_the_machine_as_it_was(actor):
    before = actor.life()
    images = actor.cloud.image
    image = actor.compute.create_server_image(
        actor.id, 'snapshot', wait=True, timeout=client.PATIENCE)
    assert image.status == 'active'
    assert actor.life().boot_id == before.boot_id
    actor.wait_armed()
    actor.power_cut()
    actor.wait('ACTIVE')
    assert actor.life().boot_id == before.boot_id
    # ... also of one that was recovered
    actor.compute.backup_server(actor.id, 'backup', 'daily', 1)
    images.wait_for_status(images.find_image('backup'), 'active',
                           wait=client.PATIENCE)
    actor.wait('ACTIVE')
    assert actor.life().boot_id == before.boot_id
    actor.do('rebuild', 'ACTIVE', image=image.id)
    assert actor.nvram() == 256
    for name in 'snapshot', 'backup':
        images.delete_image(images.find_image(name))


def test_small_ones(actor):
    before = actor.life()
    actor.do('pause', 'PAUSED')
    actor.do('unpause', 'ACTIVE')
    actor.do('lock', 'ACTIVE')
    actor.do('unlock', 'ACTIVE')
    assert actor.compute.get_server_console_output(actor.id)['output']
    # an NMI; Linux notes it and goes on
    actor.compute.trigger_server_crash_dump(actor.id)
    assert actor.life().boot_id == before.boot_id


def test_soft_reboot(actor):
    before = actor.life()
    region = actor.region
    log = helpers.Log()
    actor.do('reboot', 'ACTIVE', 'SOFT')
    # not the hard way that is left when a guest does not care
    assert 'Instance shutdown successfully' in log
    assert actor.life().boot_id != before.boot_id
    assert actor.region.id == region.id
    actor.wait_armed()


def test_interface_and_a_server_that_was_dark_for_too_long(actor, servers,
                                                           flavors):
    flavors('tp.brief', '--ram', '128',
            '--property', 'temporality:persistent=true',
            '--property', 'temporality:max_outage=1')
    brief = actors.Actor(servers, 'tp.brief', 'brief')
    of_brief = brief.life()
    before = actor.life()
    port = actor.compute.create_server_interface(
        actor.id, net_id=actor.network).port_id
    assert actor.interfaces() == 2
    actor.wait_armed()
    brief.wait_armed()
    actor.power_cut()

    actor.wait('ACTIVE')
    assert actor.life().boot_id == before.boot_id
    assert actor.interfaces() == 2
    assert brief.wait('ACTIVE').power_state == 1
    assert brief.life().boot_id != of_brief.boot_id
    brief.wait_armed()
    epoch = brief.region.epoch
    assert epoch > 1

    actor.compute.delete_server_interface(port, server=actor.id)
    helpers.wait(lambda: actor.interfaces() == 1)
    assert actor.life().boot_id == before.boot_id
    actor.wait_armed()


def test_stop_and_start(actor):
    actor.do('stop', 'SHUTOFF')
    assert actor.nvram() == 256
    assert actor.region is not None
    actor.do('start', 'ACTIVE')
    assert len(actor.qemus()) == 1


def test_rebuild(actor):
    created = actor.region.created_ns
    actor.do('rebuild', 'ACTIVE', image=actor.image.id)
    assert actor.region.created_ns > created
    assert actor.nvram() == 256


def test_shelve(actor):
    actor.do('shelve', 'SHELVED_OFFLOADED')
    assert actor.region is None
    assert actor.nvram() == 0
    actor.do('unshelve', 'ACTIVE')
    assert actor.nvram() == 256
    assert len(actor.qemus()) == 1


def test_rescue_survives_too(actor):
    before = actor.life()
    actor.do('rescue', 'RESCUE')
    rescued = actor.life()
    assert rescued.boot_id != before.boot_id
    assert len(actor.qemus()) == 1
    actor.wait_armed()
    recovered = actor.actions().count('temporality_recover')
    actor.power_cut()
    assert actor.wait('RESCUE').power_state == 1
    assert actor.actions().count('temporality_recover') == recovered + 1
    assert actor.life().boot_id == rescued.boot_id
    epoch = actor.region.epoch
    actor.do('unrescue', 'ACTIVE')
    assert actor.region.epoch > epoch
    assert actor.life().boot_id not in (before.boot_id, rescued.boot_id)
    actor.wait_armed()


def test_suspended_server_stays_so_over_an_outage(actor):
    before = actor.life()
    region = actor.region
    actor.do('suspend', 'SUSPENDED')
    assert actor.qemus() == []
    assert actor.region == region
    image = actor.compute.create_server_image(
        actor.id, 'of-suspended', wait=True, timeout=client.PATIENCE)
    actor.cloud.image.delete_image(image)
    assert actor.qemus() == []
    assert actor.nvram() == 256

    actor.power_cut(fixated=False)
    assert actor.wait('SUSPENDED').vm_state == 'suspended'
    assert actor.qemus() == []

    actor.do('resume', 'ACTIVE')
    after = actor.life()
    assert after.boot_id == before.boot_id
    assert after.uptime >= before.uptime
    actor.wait_armed()

    # the state that is given up is not resumed
    actor.do('suspend', 'SUSPENDED')
    actor.do('reboot', 'ACTIVE', 'HARD')
    assert actor.life().boot_id != before.boot_id
    assert actor.region.id == region.id

    actor.do('suspend', 'SUSPENDED')
    server = actor.compute.get_server(actor.id)
    actor.compute.delete_server(server)
    actor.compute.wait_for_delete(server)
    assert actor.region is None


def test_resize(servers, flavors):
    flavors('tp.plain', '--ram', '128')
    flavors('tp.persistent', '--ram', '128',
            '--property', 'temporality:persistent=true')
    flavors('tp.larger', '--ram', '192',
            '--property', 'temporality:persistent=true')
    actor = actors.Actor(servers, flavor='tp.plain')
    assert actor.region is None

    def resize(flavor, size):
        actor.do('resize', 'VERIFY_RESIZE', actor.flavor(flavor))
        check(size)

    def check(size):
        assert actor.nvram() == size
        assert (actor.region.size >> 20 if actor.region else 0) == size

    resize('tp.persistent', 128)
    actor.compute.revert_server_resize(actor.id)
    actor.wait('ACTIVE')
    check(0)

    resize('tp.persistent', 128)
    actor.compute.confirm_server_resize(actor.id)
    actor.wait('ACTIVE')
    check(128)

    resize('tp.larger', 192)
    before = actor.life()
    actor.wait_armed()
    actor.power_cut()
    assert actor.wait('VERIFY_RESIZE').power_state == 1
    assert actor.life().boot_id == before.boot_id
    # Nova's repairs find nothing to be repaired, before confirmation neither.
    assert helpers.nova_manage('audit', '--verbose') == 0
    # 4: nothing was created
    assert helpers.nova_manage('heal_allocations', '--verbose', '--instance',
                               actor.id) == 4
    check(192)
    actor.compute.revert_server_resize(actor.id)
    actor.wait('ACTIVE')
    check(128)

    resize('tp.plain', 0)
    actor.compute.confirm_server_resize(actor.id)
    actor.wait('ACTIVE')
    check(0)
