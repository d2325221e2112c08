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

"""What the tests in the cloud do again and again."""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

from pocketcloud import client
from pocketcloud import config
from pocketcloud import graph
from pocketcloud import guest
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import process
from pocketcloud import services
from pocketcloud import tenant

from nova_temporality import vpm


class Log:
    """What a service of a host logs from now on."""

    def __init__(self, name='nova-compute', which=layout.FIRST):
        self._path = services.of_host(name, which).log
        self._offset = self._path.stat().st_size

    def __contains__(self, text):
        return text in self._read()

    def count(self, text):
        """How often it has said so."""
        return self._read().count(text)

    def _read(self):
        with self._path.open('rb') as log:
            log.seek(self._offset)
            return log.read().decode(errors='replace')


def create(names, name, *options, flavor=tenant.FLAVOR):
    """Start to create a server of that name."""
    names.append(name)
    client.run('openstack', 'server', 'create', *options, '--flavor', flavor,
               '--image', tenant.IMAGE, '--network', tenant.NETWORK, name)


def wait(condition):
    """Wait until a condition holds; return what it returned then.

    :param condition: called again and again
    """
    deadline = time.monotonic() + client.PATIENCE
    while True:
        held = condition()
        if held:
            return held
        assert time.monotonic() < deadline
        time.sleep(0.2)


def wait_error(name):
    """Wait until a server is in ERROR; return the message of its fault."""
    deadline = time.monotonic() + client.PATIENCE
    while True:
        properties = client.show(name)
        if properties['status'] == 'ERROR':
            return properties['fault']['message']
        assert time.monotonic() < deadline, properties
        time.sleep(1)


def wait_healed(name):
    """Wait until a server that was in ERROR is ACTIVE."""
    deadline = time.monotonic() + client.PATIENCE
    while client.show(name)['status'] != 'ACTIVE':
        assert time.monotonic() < deadline
        time.sleep(1)


def placement(path):
    """What Placement answers."""
    return tenant.connect().session.get(
        layout.url('placement', path),
        headers={'OpenStack-API-Version': 'placement 1.28'}).json()


def allocations(uuid):
    """A server's allocations in Placement, {resource class: amount}."""
    found = {}
    for provider in placement('/allocations/' + uuid)['allocations'].values():
        found.update(provider['resources'])
    return found


def node(which=layout.FIRST):
    """A compute host's node, as Nova knows it."""
    [found] = [one for one in tenant.connect().compute.hypervisors(
        details=True) if one.service_details['host'] == which.name]
    return found


def nvram_claims():
    """What is claimed of hosts' NVRAM in Placement, {host: MiB}."""
    found = {}
    for one in tenant.connect().compute.hypervisors(details=True):
        usages = placement('/resource_providers/%s/usages' % one.id)['usages']
        found[one.service_details['host']] = usages.get('CUSTOM_NVRAM_MB', 0)
    return found


def guest_of(server):
    """The guest of a server, at its first address."""
    cloud = tenant.connect()
    server = cloud.compute.get_server(server)
    address = next(iter(server.addresses.values()))[0]
    network = cloud.network.find_network(tenant.NETWORK)
    return guest.Guest('qdhcp-' + network.id, address['addr'])


def life(server):
    """Wait until a server's guest answers; return its guest.Life."""
    return guest_of(server).wait()


def wait_pvms(uuids, state, which=layout.FIRST):
    """Wait until the notifier says of all these pVMs that they are so."""
    deadline = time.monotonic() + client.PATIENCE
    while True:
        pvms = {pvm['name']: pvm
                for pvm in client.temporality(
                    'status', which=which)['pvms']}
        if all(uuid in pvms and pvms[uuid]['state'] == state
               for uuid in uuids):
            return
        assert time.monotonic() < deadline, (state, pvms)
        time.sleep(0.2)


def regions(which=layout.FIRST):
    """The regions in a host's pool, by server."""
    with vpm.Pool(str(which.pool)) as pool:
        return {region.name: region for region in pool.regions()}


def state_file(uuid):
    """The path of a server's state file."""
    return os.path.join(os.path.dirname(regions()[uuid].ram_path), 'state')


def qemu_pids(region, which=layout.FIRST):
    """The pids of the QEMUs that have a region for memory."""
    pids = []
    for pid in host.qemus(which):
        # It may have ended meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            command = pathlib.Path('/proc/%d/cmdline' % pid).read_text()
            if region.ram_path in command:
                pids.append(pid)
    return pids


def power_fails(uuids, which=layout.FIRST):
    """Raise the POD signal; wait until the servers are fixated."""
    os.kill(services.of_host('engine', which).record.read().pid, 44)
    wait_pvms(uuids, 'fixated', which=which)


def kill_nova_compute(which=layout.FIRST):
    """SIGKILL, as the OOM killer would, its privileged helpers too.

    :returns: the service
    """
    service = services.of_host('nova-compute', which)
    pids = process.members(service.record.read().pid)
    for pid in pids:
        process.kill(pid)
    assert not process.wait_gone(pids, 10)
    return service


def boot(which=layout.FIRST):
    """Boot a compute host.

    Its servers are recovered after that: when Nova counts it as up.
    """
    graph.run(host.tasks(which), lambda *args: None)


@contextlib.contextmanager
def options(text):
    """Further options for what the first host starts meanwhile.

    :param text: in the form of a configuration file
    """
    path = config.FILES['temporality.conf']
    before = path.read_text()
    path.write_text(before + text)
    try:
        yield
    finally:
        path.write_text(before)


@contextlib.contextmanager
def watched(which=layout.FIRST):
    """A set that gets the ids of servers that a host lets run meanwhile."""
    seen, ended = set(), threading.Event()

    def watch():
        while not ended.wait(0.2):
            seen.update(host.running(which))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def standing_still(service):
    """A daemon that takes no notice of anything meanwhile."""
    pids = process.members(service.record.read().pid)
    for pid in pids:
        process.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            process.kill(pid, signal.SIGCONT)


def nova_manage(*args):
    """Run ``nova-manage placement``; return its exit code."""
    return subprocess.run(
        [*services.with_files('nova-manage', services.NOVA_CONF,
                              services.NOVA_DB_CONF), 'placement', *args],
        env=layout.environment(), check=False).returncode
