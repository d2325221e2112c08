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

"""Crashes that are no power cuts: what is left is neither lost nor leaked."""

import os
import signal
import threading

from pocketcloud import client
from pocketcloud import config
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import services

from nova_temporality import vpm

from tests.cloud import actors
from tests.cloud import helpers


def test_daemons_and_qemu_die(servers):
    actor = actors.Actor(servers, metadata={'persistent': 'true'})
    before = actor.life()
    [pid] = actor.qemus()

    log = helpers.Log()
    libvirtd = services.of_host('libvirtd')
    libvirtd.stop()
    libvirtd.start()
    # Nova hears of nothing until it is connected again.
    helpers.wait(lambda: "Connection event '1'" in log)
    actor.wait_armed()
    assert actor.life().boot_id == before.boot_id

    # no fixation: Nova stops what has died, a start boots it afresh
    os.kill(pid, signal.SIGKILL)
    actor.wait('SHUTOFF')
    region = actor.region
    actor.do('start', 'ACTIVE')
    assert actor.life().boot_id != before.boot_id
    assert actor.region.id == region.id
    actor.wait_armed()

    # deleted while nova-compute dies, at whatever moment
    server = actor.compute.get_server(actor.id)
    actor.compute.delete_server(server)
    helpers.wait(lambda: helpers.qemu_pids(region) == [])
    helpers.kill_nova_compute().start()
    actor.compute.wait_for_delete(server)
    helpers.wait(lambda: actor.region is None)
    assert actor.nvram() == 0
    assert vpm.check(str(layout.POOL)) == []


def test_spawn_is_cut_off(servers):
    before = set(helpers.regions())
    helpers.create(servers, 'cut-off', '--property', 'persistent=true')
    helpers.wait(lambda: set(helpers.regions()) > before)
    helpers.kill_nova_compute().start()
    helpers.wait(
        lambda: client.show('cut-off')['status'] in ('ERROR', 'ACTIVE'))
    client.delete('cut-off')
    assert set(helpers.regions()) == before
    assert vpm.check(str(layout.POOL)) == []


def test_deleted_while_the_host_is_dark(servers):
    actor = actors.Actor(servers, metadata={'persistent': 'true'})
    actor.wait_armed()
    helpers.power_fails([actor.id])
    host.power_cut()
    compute = actor.compute
    server = compute.get_server(actor.id)
    [service] = compute.services(binary='nova-compute',
                                 host=layout.FIRST.name)
    compute.update_service_forced_down(service, service.host,
                                       service.binary, True)
    try:
        compute.delete_server(server)
        compute.wait_for_delete(server)
    finally:
        compute.update_service_forced_down(service, service.host,
                                           service.binary, False)
        helpers.boot()

    # not recovered, and kept until Nova was asked
    assert actor.qemus() == []
    freed = client.temporality('region', 'gc', '--nova-config-file',
                               str(config.FILES['nova.conf']))
    assert {'Server': actor.id, 'Found': 'deleted',
            'Region': 'freed'} in freed
    assert actor.region is None


def test_recovery_is_cut_off_and_waits_for_the_controller(servers):
    actor = actors.Actor(servers, metadata={'persistent': 'true'})
    actor.wait_armed()
    before = actor.life()
    # Nobody needs nova-compute for a fixation.
    helpers.kill_nova_compute()
    helpers.power_fails([actor.id])
    host.power_cut()

    conductor = services.of_controller('nova-conductor')
    conductor.stop()
    log = helpers.Log()
    boot = threading.Thread(target=helpers.boot)
    boot.start()
    try:
        helpers.wait(lambda: 'nova-conductor' in log)
        # Only Nova knows whether the server is still this host's.
        assert actor.qemus() == []
    finally:
        conductor.start()
    helpers.wait(actor.qemus)
    helpers.kill_nova_compute().start()
    boot.join()

    after = actor.life()
    assert after.boot_id == before.boot_id
    assert after.uptime >= before.uptime
    assert len(actor.qemus()) == 1
    actor.wait_armed()
    assert vpm.check(str(layout.POOL)) == []
