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

"""The commands: up, down, status."""

import argparse
import os
import shutil
import sys
import time

from pocketcloud import blockstorage
from pocketcloud import catalog
from pocketcloud import client
from pocketcloud import config
from pocketcloud import database
from pocketcloud import disk
from pocketcloud import graph
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import nvram
from pocketcloud import process
from pocketcloud import service
from pocketcloud import services
from pocketcloud import tenant

STARTED = time.monotonic()


def say(text):
    print('[%6.1fs] %s' % (time.monotonic() - STARTED, text), flush=True)


def report(name, seconds, result):
    say('%-18s %5.1f s  %s' % (name, seconds, result or 'done'))


def tasks():
    """All that brings the cloud up, as tasks for the graph."""
    found = {
        'catalog': (('keystone',), database.once('catalog', catalog.create)),
    }
    found.update(database.tasks())
    found.update(tenant.tasks(database.once))
    for one in services.controller():
        found[one.name] = one.needs, one.start
    found.update(host.tasks())
    return found


def up():
    """Bring up or repair the cloud."""
    for path in (layout.LOG, layout.STAMPS, layout.HOST_RUN):
        path.mkdir(exist_ok=True)
    if not layout.FIRST.disk_image.exists():
        nvram.choose(os.environ.get('NVRAM') or nvram.EMULATED)
    # Databases, keys and images are not for other users of the machine.
    layout.CONTROLLER.mkdir(0o700, exist_ok=True)
    config.render()
    graph.run(tasks(), report)
    if blockstorage.is_registered():
        blockstorage.up(report)
    disk.sync_host_disk()
    say('the cloud is up; for the openstack client: source %s'
        % config.FILES['openrc'])


def have_nvram(kind):
    """Have the servers' memory in another kind of NVRAM; the cloud is up.

    :param kind: one of nvram.KINDS
    :raises RuntimeError: there are servers whose memory would be lost
    """
    nvram.check(kind)
    if nvram.kind() == kind:
        return
    there = [row['Server'] for row in client.temporality('region', 'list')]
    if there:
        raise RuntimeError(
            'the NVRAM of the cloud is %s, and cannot be %s while servers '
            'have their memory in it: %s. Delete them (openstack server '
            'delete), or "make clean"' % (
                nvram.kind(), kind, ', '.join(there)))
    for line in host.shut_down():
        say(line)
    if disk.is_mounted(layout.NVRAM):
        disk.unmount(layout.NVRAM)
    disk.mount_host_disk()
    shutil.rmtree(layout.FIRST.vault, ignore_errors=True)
    nvram.choose(kind)
    up()


def down():
    """Stop everything that up started."""
    if layout.SECOND.run.exists():
        for line in host.shut_down(layout.SECOND):
            say(line)
    for line in host.shut_down():
        say(line)
    stores = [s for s in services.controller()
              if s.name in ('mariadb', 'rabbitmq')]
    users = [s for s in services.controller()
             if s.name not in ('mariadb', 'rabbitmq')]
    users += blockstorage.known()
    for group in users, stores:
        for line in service.stop_all(group):
            say(line)
    left = process.ours()
    for pid in left:
        process.kill(pid)
    process.wait_gone(left, 10)
    say('the cloud is down')


def status():
    """Print a line for each service; return whether all is well."""
    well = True
    for one in services.table() + blockstorage.known():
        state, pid = one.state()
        well = well and state == 'up'
        where = layout.PORTS[one.port] if one.port else '-'
        print('%-16s %-10s %-9s pid %-8s port %-6s %s' % (
            one.name, one.group, state, pid or '-', where, one.log))
    for path in layout.HOST_DISK, layout.NVRAM:
        mounted = disk.is_mounted(path)
        well = well and mounted
        print('%-16s %-10s %s' % (path.name, 'host',
                                  'mounted' if mounted else 'not mounted'))
    return well


COMMANDS = {'up': up, 'down': down, 'status': status}


def main():
    parser = argparse.ArgumentParser(prog='pocketcloud', description=__doc__)
    parser.add_argument('command', choices=COMMANDS)
    command = parser.parse_args().command
    layout.require_state()
    try:
        result = COMMANDS[command]()
    except (graph.Failed, OSError, ValueError) as e:
        sys.exit('pocketcloud %s: %s' % (command, e))
    sys.exit(0 if result in (None, True) else 1)
