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

"""Live migrations that are cut off by a crash, on either host.

Each test leaves the server where the next one finds it. It is paused
meanwhile, see test_hosts.
"""

import os
import signal

from pocketcloud import client
from pocketcloud import host
from pocketcloud import services
from pocketcloud import tenant

from tests.cloud import helpers


def test_power_fails_on_the_target(mover):
    before, connection = mover.booted(), mover.guest.connection()
    mover.wait_armed(mover.first)
    mover.moves_for_ever(mover.second)
    [qemu] = mover.qemus(mover.first)
    host.power_cut(mover.second)
    mover.unpause_after_failure()
    mover.wait_armed(mover.first)
    helpers.boot(mover.second)
    tenant.wait_compute_service(mover.second)
    mover.check(mover.first)
    assert mover.qemus(mover.first) == [qemu]
    mover.check_ran_on(before, connection)


def test_nova_compute_dies_at_the_target(mover):
    before, connection = mover.guest.life(), mover.guest.connection()
    mover.wait_armed(mover.first)
    held = mover.moves_for_ever(mover.second)
    service = helpers.kill_nova_compute(mover.second)
    os.kill(held, signal.SIGCONT)
    # libvirt needs nobody to finish it; Nova at the source waits.
    helpers.wait(lambda: not mover.qemus(mover.first))
    service.start()
    mover.wait('PAUSED')
    mover.unpause()
    mover.check(mover.second)
    assert mover.qemus(mover.second) == [held]
    mover.wait_armed(mover.second)
    mover.check_ran_on(before, connection)


def test_nova_compute_dies_at_the_source(mover):
    before = mover.guest.life()
    [qemu] = mover.qemus(mover.second)
    mover.pause()
    host.slow_migrations_down(mover.id, mover.second)
    mover.migrate_live(mover.first)
    helpers.wait(lambda: 'running' in mover.migrations().values())
    helpers.wait(lambda: mover.qemus(mover.first))
    service = helpers.kill_nova_compute(mover.second)
    # libvirt goes on, so it is unprotected still
    [pvm] = client.temporality('status', which=mover.second)['pvms']
    assert pvm['reason'] == 'it is being migrated live'
    service.start()
    mover.wait('PAUSED')
    mover.unpause()
    mover.wait_armed(mover.second)
    assert mover.qemus(mover.second) == [qemu]
    # What it left at the target goes when nova-compute starts there. Nova 34
    # leaves the claims of both; 4: orphans were deleted.
    helpers.wait(lambda: not mover.qemus(mover.first))
    helpers.kill_nova_compute(mover.first).start()
    mover.check(mover.second, claimed=[mover.first])
    assert helpers.nova_manage('audit', '--delete') == 4
    # So does Nova, whatever the driver, with the port at the target, where
    # nobody reaches the server as long as it is there.
    [port] = tenant.connect().network.ports(device_id=mover.id)
    services.ovs_vsctl(mover.first, 'del-port', 'tap' + port.id[:11])
    assert mover.guest.wait().boot_id == before.boot_id
