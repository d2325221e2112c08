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

"""What was proven is never lost, whatever goes wrong when the host is back.

All happens in one outage, after which the site comes up in pieces: storage
later than the host, a controller that hangs, an operator in a hurry.
"""

import contextlib
import subprocess

from pocketcloud import client
from pocketcloud import config
from pocketcloud import disk
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import services
from pocketcloud import tenant

from nova_temporality import vpm

from tests.cloud import actors
from tests.cloud import helpers
from tests.cloud import records

# The controller hangs for longer than this.
_OPTIONS = '''
[DEFAULT]
rpc_response_timeout = 10
sync_power_state_interval = 5
periodic_fuzzy_delay = 0
'''

_NO_RETRY = '''
[temporality]
recovery_retry = 1
'''

# Said with a reason, and again with another one.
_NOT_RECOVERED = 'Server %s is not recovered yet: '


@contextlib.contextmanager
def _without_volumes():
    """The storage of volumes is not there."""
    away = layout.VOLUMES.with_name('volumes-away')
    layout.VOLUMES.rename(away)
    try:
        yield
    finally:
        away.rename(layout.VOLUMES)


def _attach_volume(actor):
    """Create a volume and attach it; return it."""
    volumes = tenant.connect().block_storage
    volume = volumes.wait_for_status(
        volumes.create_volume(size=1), 'available', wait=client.PATIENCE)
    actor.compute.create_volume_attachment(actor.id, volume_id=volume.id)
    return volumes.wait_for_status(volume, 'in-use', wait=client.PATIENCE)


def _delete_volume(volume):
    volumes = tenant.connect().block_storage
    volumes.wait_for_status(volume, 'available', wait=client.PATIENCE)
    volumes.delete_volume(volume)


def _fault(actor):
    """Wait until a server is in ERROR; return what its fault says."""
    return helpers.wait(
        lambda: actor.status() == 'ERROR' and
        actor.compute.get_server(actor.id).fault['message'])


def _check_ran_on(actor, before):
    after = actor.life()
    assert after.boot_id == before.boot_id
    assert after.uptime >= before.uptime
    assert len(actor.qemus()) == 1
    helpers.wait(lambda: 'Success' in actor.results('temporality_recover'))


def _check_proven(actor):
    with vpm.Pool(str(layout.POOL)) as pool:
        pool.verify_state(actor.region.id)


def test_site_comes_up_in_pieces(block_storage, servers):
    stored, paused, reset = everyone = [
        actors.Actor(servers, name=name, metadata={'persistent': 'true'})
        for name in ('stored', 'paused', 'reset')]
    lives = {actor.id: actor.life() for actor in everyone}
    volume = _attach_volume(stored)
    port = stored.compute.create_server_interface(
        stored.id, net_id=stored.network).port_id
    for actor in everyone:
        actor.wait_armed()
    paused.do('pause', 'PAUSED')

    # Power fails right after a port has gone, and another has come.
    stored.compute.delete_server_interface(port, server=stored.id)
    helpers.wait(lambda: stored.results('detach_interface') == ['Success'])
    reset.compute.create_server_interface(reset.id, net_id=reset.network)
    helpers.power_fails([actor.id for actor in everyone])
    host.power_cut()
    disk.mount_host_disk()
    record = {actor: records.Record(actor.id) for actor in everyone}
    for actor in paused, reset:
        record[actor].take_away()

    log = helpers.Log()
    with helpers.options(_OPTIONS):
        with _without_volumes():
            helpers.boot()
            assert volume.id in _fault(stored)
            for actor in paused, reset:
                assert 'record of its machine' in _fault(actor)
            record[stored].hold()
            # Then no earlier try is under way.
            records.wait_read(record[stored])

        # What was missing is there, but then the controller hangs.
        record[paused].put_back()
        try:
            with helpers.standing_still(services.of_controller(
                    'nova-conductor')):
                tried = log.count(_NOT_RECOVERED % stored.id)
                record[stored].release()
                helpers.wait(lambda: log.count(
                    _NOT_RECOVERED % stored.id) > tried)
                assert stored.qemus() == []
                _check_proven(stored)
        finally:
            record[stored].release()
        stored.becomes('ACTIVE')
        _check_ran_on(stored, lives[stored.id])
        assert (stored.interfaces(), stored.disks()) == (1, 2)
        paused.becomes('PAUSED')
        assert paused.compute.get_server(paused.id).power_state == 3
        paused.do('unpause', 'ACTIVE')
        _check_ran_on(paused, lives[paused.id])

        # An operator resets what is in ERROR, and restarts nova-compute.
        given_up = 'Server %s is not tried again' % reset.id
        reset.compute.reset_server_state(reset.id, 'active')
        with helpers.options(_NO_RETRY):
            helpers.kill_nova_compute().start()
        helpers.wait(lambda: given_up in log)
        assert 'record of its machine' in _fault(reset)
        # Each reset has it tried again, and nothing else has.
        reset.compute.reset_server_state(reset.id, 'active')
        helpers.wait(lambda: log.count(given_up) > 1)
        assert log.count(given_up) == 2
        assert 'record of its machine' in _fault(reset)
        assert reset.qemus() == []
        _check_proven(reset)

        record[reset].put_back()
        subprocess.run([layout.BIN / 'temporality', '--config-file',
                        config.FILES['temporality.conf'], 'recover',
                        reset.id], env=layout.environment(), check=True)
        reset.wait_armed()
        _check_ran_on(reset, lives[reset.id])
        assert reset.interfaces() == 2

    # With the options of before.
    services.of_host('nova-compute').start()
    for actor in everyone:
        actor.wait_armed()
        assert actor.wait('ACTIVE').power_state == 1
    assert vpm.check(str(layout.POOL)) == []
    client.delete('stored')
    _delete_volume(volume)
