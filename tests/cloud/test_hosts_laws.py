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

"""A host comes back while others act on its servers: nothing runs twice.

All happens in one outage: an evacuation while nova-compute still starts, a
deletion and a fencing of the host while recoveries wait for slow storage.
"""

import concurrent.futures
import contextlib

from openstack import exceptions
import pytest

from pocketcloud import client
from pocketcloud import database
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import tenant

from nova_temporality import vpm

from tests.cloud import helpers
from tests.cloud import movers
from tests.cloud import records

_FORCED_DOWN = ('Server %s is not recovered yet: Not resumed: this host is '
                'forced down')

_NAMES = ('kept', 'late', 'early', 'deleted')


@pytest.fixture
def fleet(hosts):
    """Persistent servers on the first host, by name."""
    try:
        yield {name: movers.Mover(name) for name in _NAMES}
    finally:
        client.delete(*_NAMES)


def _force_down(compute, down):
    [service] = compute.services(binary='nova-compute',
                                 host=layout.FIRST.name)
    compute.update_service_forced_down(service, service.host, service.binary,
                                       down)


@contextlib.contextmanager
def _fenced(compute):
    """The first host is forced down; set up again in the end."""
    _force_down(compute, True)
    try:
        yield
    finally:
        # Nova wants it to be started anew after evacuations.
        helpers.kill_nova_compute().start()
        _force_down(compute, False)


def _start_elsewhere(mover):
    """Wait for the end of its evacuation, start it on the other host."""
    mover.wait('SHUTOFF')
    mover.compute.start_server(mover.id)
    assert mover.wait('ACTIVE').compute_host == mover.second.name


def _check_proven(uuids):
    """Their states are as they were, so none of them ran here."""
    found = helpers.regions(layout.FIRST)
    with vpm.Pool(str(layout.FIRST.pool)) as pool:
        for uuid in uuids:
            pool.verify_state(found[uuid].id)


def test_servers_run_once(fleet):
    kept, late, early, deleted = (fleet[name] for name in _NAMES)
    first, second = layout.FIRST, layout.SECOND
    compute = kept.compute
    before = kept.booted()
    uuids = [mover.id for mover in fleet.values()]
    helpers.wait_pvms(uuids, 'armed')
    helpers.power_fails(uuids)
    host.power_cut()
    # Its last report would count for a minute.
    database.forget_report(first.name)

    log = helpers.Log()
    machines = {name: records.Record(fleet[name].id, shared=True)
                for name in ('kept', 'late', 'deleted')}
    with (helpers.watched() as ran, records.held(*machines.values()),
          concurrent.futures.ThreadPoolExecutor() as executor):
        booting = executor.submit(helpers.boot)
        helpers.wait(lambda: 'NVRAM pool' in log)
        # nova-compute still starts, so it does not count as up.
        compute.evacuate_server(early.id)
        booting.result()
        _start_elsewhere(early)

        # Now it does, and recoveries have begun.
        records.wait_read(*machines.values())
        with pytest.raises(exceptions.BadRequestException):
            compute.evacuate_server(kept.id)
        server = compute.get_server(deleted.id)
        compute.delete_server(server)
        machines['deleted'].release()
        compute.wait_for_delete(server, wait=client.PATIENCE)

        # Somebody fences it all the same.
        with _fenced(compute):
            compute.evacuate_server(late.id)
            _start_elsewhere(late)
            for name in 'kept', 'late':
                machines[name].release()
            for mover in kept, late:
                helpers.wait(lambda: _FORCED_DOWN % mover.id in log)
            helpers.wait(lambda: not host.qemus(first))
            _check_proven([kept.id, late.id])
            assert deleted.id not in helpers.regions(first)
            for mover in early, late:
                assert len(mover.qemus(second)) == 1
            # Nothing was let run by the host that came back.
            assert not ran

    kept.wait_armed(first)
    life = kept.guest.wait()
    assert life.boot_id == before.boot_id
    assert life.uptime >= before.uptime
    for mover, which in (kept, first), (early, second), (late, second):
        server = mover.wait('ACTIVE')
        assert (server.compute_host, server.power_state) == (which.name, 1)
        assert len(mover.qemus(which)) == 1
    for which, names in (first, ('kept',)), (second, ('early', 'late')):
        assert set(helpers.regions(which)) == {
            fleet[name].id for name in names}
        assert len(host.qemus(which)) == len(names)
        assert vpm.check(str(which.pool)) == []
    assert helpers.nvram_claims() == {first.name: 256, second.name: 512}
    tenant.wait_compute_service()
