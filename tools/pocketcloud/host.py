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

"""A compute host as a whole: its network, its power cut, its boot."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess

from pocketcloud import disk
from pocketcloud import layout
from pocketcloud import network
from pocketcloud import nvram
from pocketcloud import process
from pocketcloud import second_host_network
from pocketcloud import service
from pocketcloud import services

QEMU = re.compile(rb'(^|/)qemu-system-[^/\0]*\0')


def qemus(which=layout.FIRST):
    """The pids of the QEMUs which a host's libvirt runs.

    libvirt gives them an environment of its own, so they are known by the
    files that they were told to use.
    """
    files = [bytes(path) + b'/' for path in (which.disk, which.nvram)]
    found = []
    for pid in process.all_pids():
        try:
            command = pathlib.Path('/proc/%d/cmdline' % pid).read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if QEMU.search(command) and any(path in command for path in files):
            found.append(pid)
    return found


def kill_everything(which=layout.FIRST):
    """SIGKILL every process of the host.

    Services that watch others come first, so that they do not react.
    """
    guests = qemus(which)
    victims = []
    for daemon in reversed(services.host(which)):
        running = daemon.record.read()
        if running:
            victims += process.members(running.pid)
    victims += set(process.ours(TEMPORALITY_GROUP=which.group)) - set(victims)
    for pid in victims + guests:
        process.kill(pid)
    left = process.wait_gone(victims + guests, 10)
    if left:
        raise TimeoutError('processes survive SIGKILL: %s' % sorted(left))
    return len(victims), len(guests)


def _remove_network(which):
    if which == layout.FIRST:
        network.remove()
    else:
        second_host_network.remove()


def power_cut(which=layout.FIRST):
    """Cut the power of a compute host.

    Everything that a power cut takes is gone afterwards: all processes,
    what only the page cache held of the disk, /run, the network, and DRAM.
    NVRAM stays, and so does the controller, which is another machine.

    :param which: layout.Host
    :return: what happened, in words
    """
    if which == layout.FIRST:
        network.note_namespaces()
    daemons, guests = kill_everything(which)
    disk.cut_host_disk(which)
    _remove_network(which)
    disk.unmount_host_disk(which)
    memory = nvram.cut(which)
    for daemon in services.host(which):
        daemon.record.remove()
    shutil.rmtree(which.run)
    return ('%d processes and %d QEMUs killed, disk cut off, %s, /run and the '
            'network gone' % (daemons, guests, memory))


def tasks(which=layout.FIRST):
    """The boot of a compute host, as tasks for the graph."""
    number = which.number
    # Daemons in a namespace see only what was mounted before they started.
    mount_needs = ('host-network' + number,)
    found = {
        'host-disk' + number: (
            mount_needs, functools.partial(disk.mount_host_disk, which)),
        'nvram' + number: (mount_needs,
                           functools.partial(nvram.mount, which)),
        # Its vault is on the disk.
        'pool' + number: (('nvram' + number, 'host-disk' + number),
                          functools.partial(nvram.create_pool, which)),
        'vault' + number: (('pool' + number,),
                           functools.partial(nvram.measure_vault, which)),
    }
    if which == layout.SECOND:
        found['host-network2'] = (), second_host_network.create
    for daemon in services.host(which):
        found[daemon.name] = daemon.needs, daemon.start
    return found


def virsh(*args, which=layout.FIRST):
    """Have an operator use virsh; return how that ended."""
    return _virsh(which, *args)


def _virsh(which, *args):
    uri = 'qemu+unix:///system?socket=%s' % which.libvirt_socket
    return subprocess.run(
        ['virsh', '-q', '-c', uri, *args], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def domains(which=layout.FIRST):
    """Names of the guests that libvirt has."""
    listed = _virsh(which, 'list', '--name')
    listed.check_returncode()
    return listed.stdout.split()


def running(which=layout.FIRST):
    """Ids of the servers whose vCPUs run; none without a libvirt."""
    return _virsh(which, 'list', '--uuid', '--state-running').stdout.split()


def domain(uuid, which=layout.FIRST):
    """The XML of a server's machine, as libvirt runs it."""
    dumped = _virsh(which, 'dumpxml', uuid)
    dumped.check_returncode()
    return dumped.stdout


def forget_keys(which=layout.FIRST):
    """Have libvirt lose its copies of keys, as with its directory in /etc."""
    listed = _virsh(which, 'secret-list')
    listed.check_returncode()
    for line in listed.stdout.splitlines():
        _virsh(which, 'secret-undefine', line.split()[0]).check_returncode()
    # libvirt does not; after a power cut they would be there again.
    os.sync()


def ask_agent(uuid, command, which=layout.FIRST, **arguments):
    """What a server's guest agent answers to a command of its protocol."""
    asked = _virsh(which, 'qemu-agent-command', uuid, json.dumps(
        {'execute': command, 'arguments': arguments}))
    asked.check_returncode()
    return json.loads(asked.stdout)['return']


def slow_migrations_down(uuid, which=layout.FIRST):
    """Have live migrations of a server go over one MiB per second."""
    _virsh(which, 'migrate-setspeed', uuid, '1').check_returncode()


def destroy_domains(which):
    """Destroy the guests, as a host does that is shut down without asking."""
    # One whose QEMU has just ended cannot be destroyed any more.
    destroyed = [_virsh(which, 'destroy', name).returncode == 0
                 for name in domains(which)]
    left = domains(which)
    if left:
        raise RuntimeError('guests cannot be turned off: %s'
                           % ', '.join(left))
    return 'guests: %d turned off' % sum(destroyed)


def stop_observers(which=layout.FIRST):
    """Stop what reports to Nova and Neutron; yield what was done.

    They must not see that guests and devices of the host end.
    """
    yield from service.stop_all(
        [daemon for daemon in services.host(which) if daemon.name in
         [name + which.number for name in
          ('nova-compute', 'neutron-agent', 'dhcp-agent')]])


def shut_down(which=layout.FIRST):
    """Stop a compute host in an orderly way; yield what was done."""
    yield from stop_observers(which)
    table = {daemon.name: daemon for daemon in services.host(which)}
    if table['libvirtd' + which.number].is_ready():
        yield destroy_domains(which)
    yield from service.stop_all(table.values())
    kill_everything(which)
    _remove_network(which)
    if disk.is_mounted(which.disk):
        disk.unmount_host_disk(which)
    shutil.rmtree(which.run, ignore_errors=True)
