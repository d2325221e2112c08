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

"""The compute host as a whole: its network, its power cut, its boot."""

import pathlib
import re
import shutil
import subprocess

from pocketcloud import disk
from pocketcloud import layout
from pocketcloud import network
from pocketcloud import process
from pocketcloud import service
from pocketcloud import services

QEMU = re.compile(rb'(^|/)qemu-system-[^/\0]*\0')


def qemus():
    """The pids of the QEMUs which this cloud's libvirt runs.

    libvirt gives them an environment of its own, so they are known by the
    files that they were told to use.
    """
    found = []
    for pid in process.all_pids():
        try:
            command = pathlib.Path('/proc/%d/cmdline' % pid).read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if QEMU.search(command) and bytes(layout.HOST_DISK) in command:
            found.append(pid)
    return found


def kill_everything():
    """SIGKILL every process of the host, the watchers before the watched."""
    guests = qemus()
    victims = []
    for daemon in reversed(services.host()):
        running = daemon.record.read()
        if running:
            victims += process.members(running.pid)
    victims += set(process.ours(TEMPORALITY_GROUP='host')) - set(victims)
    for pid in victims + guests:
        process.kill(pid)
    left = process.wait_gone(victims + guests, 10)
    if left:
        raise TimeoutError('processes survive SIGKILL: %s' % sorted(left))
    return len(victims), len(guests)


def power_cut():
    """Cut the power of the compute host.

    Everything that a power cut takes is gone afterwards: all processes,
    what only the page cache held of the disk, /run, the network.  The
    NVRAM stays, and so does the controller, which is another machine.

    :return: what happened, in words
    """
    network.note_namespaces()
    daemons, guests = kill_everything()
    disk.cut_host_disk()
    network.remove()
    disk.unmount_host_disk()
    for daemon in services.host():
        daemon.record.remove()
    shutil.rmtree(layout.HOST_RUN)
    return ('%d processes and %d QEMUs killed, disk cut off, /run and the '
            'network gone' % (daemons, guests))


def tasks():
    """The boot of the compute host, as tasks for the graph."""
    found = {
        'host-disk': ((), disk.mount_host_disk),
        'nvram': ((), disk.mount_nvram),
        'pool': (('nvram',), disk.create_pool),
    }
    for daemon in services.host():
        found[daemon.name] = daemon.needs, daemon.start
    return found


def _virsh(*args):
    return subprocess.run(
        ['virsh', '-q', '-c', layout.LIBVIRT_URI, *args], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _domains():
    listed = _virsh('list', '--name')
    listed.check_returncode()
    return listed.stdout.split()


def domain(uuid):
    """The XML of a server's machine, as libvirt runs it."""
    dumped = _virsh('dumpxml', uuid)
    dumped.check_returncode()
    return dumped.stdout


def destroy_domains():
    """Turn off the guests, as a host does that is shut down without care."""
    # One whose QEMU has just ended cannot be destroyed any more.
    destroyed = [_virsh('destroy', name).returncode == 0
                 for name in _domains()]
    left = _domains()
    if left:
        raise RuntimeError('guests cannot be turned off: %s'
                           % ', '.join(left))
    return 'guests: %d turned off' % sum(destroyed)


def stop_observers():
    """Stop what would take note of the end of the rest; yield the same."""
    yield from service.stop_all(
        [daemon for daemon in services.host() if daemon.name in
         ('nova-compute', 'neutron-agent', 'dhcp-agent')])


def shut_down():
    """Stop the compute host in an orderly way; yield what was done."""
    yield from stop_observers()
    table = {daemon.name: daemon for daemon in services.host()}
    if table['libvirtd'].is_ready():
        yield destroy_domains()
    yield from service.stop_all(table.values())
    kill_everything()
    network.remove()
    if disk.is_mounted(layout.HOST_DISK):
        disk.unmount_host_disk()
    shutil.rmtree(layout.HOST_RUN, ignore_errors=True)
