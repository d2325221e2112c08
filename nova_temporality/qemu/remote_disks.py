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

"""Disks that only QEMU can reach (RBD, NBD), and what they hold.

They have no path on this host. So QEMU, which has them open, exports them by
NBD while its vCPUs stand still, and a sample is read from there, the same as
of a block device. The socket is made here and unlinked again, so that nobody
else connects to it.
"""

from collections import abc
import contextlib
import os
import socket
import tempfile
import time
from typing import Any

from nova_temporality.host import device_contents
from nova_temporality.host import disk_notes
from nova_temporality.qemu import nbd
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.qemu import words
from nova_temporality import vpm

# QEMU's for files and devices of this host.
LOCAL_DRIVERS = ('file', 'host_device')

# Of a socket and, with a number, of exports in QEMU.
_NAME = 'temporality'

# Seconds for what waits for no disk.
_CLEAN_UP = 5.0

# A machine has fewer; QEMU is not trusted.
_MAX_DISKS = 64
_MAX_NAME = 256


def sample(qmp: qmp_module.QmpClient, timeout: float,
           sizes: abc.Mapping[str, int] | None = None) -> dict[
               str, disk_notes.Disk | str]:
    """Sample the remote disks that a QEMU may write to, and that stands still.

    :param timeout: seconds for all of them
    :param sizes: bytes of each of which the sample is taken, by name; others
                  are left out. None for all disks, in their present sizes
    :returns: what each is, or why it cannot be read, by the name that the
              machine has for its device
    :raises NbdTimeout: a disk does not answer; QEMU may wait for it
    :raises QmpError, KeyError, TypeError, AttributeError: QEMU does not say
    """
    deadline = time.monotonic() + timeout
    nodes = {name: node for name, node in _remote(qmp, deadline).items()
             if sizes is None or name in sizes}
    found: dict[str, disk_notes.Disk | str] = {}
    if not nodes:
        return found
    with _server(qmp, deadline) as path:
        for number, (name, node) in enumerate(nodes.items()):
            try:
                with _exported(qmp, node, '%s-%d' % (_NAME, number), path,
                               deadline) as client:
                    size = min(client.size, sizes[name]) if sizes else (
                        client.size)
                    found[name] = disk_notes.Disk(
                        client.size,
                        content=device_contents.sample(client.read, size))
            except nbd.NbdTimeout as exc:
                raise nbd.NbdTimeout('%s: %s' % (name, exc))
            except (nbd.NbdError, qmp_module.QmpCommandError) as exc:
                found[name] = str(exc)
    return found


def compare(qmp: qmp_module.QmpClient, pool_path: str,
            region: vpm.RegionInfo, epoch: int,
            timeout: float) -> list[str]:
    """Compare a pVM's remote disks with what they were when it was fixated.

    :param qmp: connection to its QEMU, which has loaded the state, or not yet
    :param epoch: of its state
    :param timeout: seconds for all of them
    :returns: what is not as it was, in words
    :raises: see sample()
    """
    noted = disk_notes.noted_remote(pool_path, region, epoch)
    if not noted:
        return []
    try:
        found = sample(qmp, timeout, {
            name: disk.size for name, disk in noted.items()})
    except qmp_module.QmpCommandError as exc:
        return ['its remote disks cannot be read (%s)' % exc]
    changed = []
    for name in noted:
        disk = found.get(name, 'QEMU does not show it')
        how = ('cannot be read (%s)' % words.printable(disk)
               if isinstance(disk, str)
               else disk_notes.difference(noted[name], disk))
        if how:
            changed.append('%s: %s' % (name, how))
    return changed


def _remote(qmp: qmp_module.QmpClient, deadline: float) -> dict[str, Any]:
    """Nodes of the remote disks that can be written to, by their devices.

    A disk is local if it has the name of a local file or device. A remote one
    has no such name, and a format on top of it (raw, LUKS) often another one
    than what it lies on: QEMU makes them up of options. So may a format on top
    of a local disk: then that disk is looked at in both ways.
    """
    local = {node['file'] for node in qmp.command(
        'query-named-block-nodes', {'flat': True}, timeout=_left(deadline))
        if node['drv'] in LOCAL_DRIVERS}
    found: dict[str, Any] = {}
    for block in qmp.command('query-block', timeout=_left(deadline)):
        disk = block.get('inserted')
        if disk and not disk['ro'] and disk['file'] not in local and (
                block.get('qdev') and len(found) < _MAX_DISKS):
            found[words.printable(block['qdev'])[:_MAX_NAME]] = (
                disk['node-name'])
    return found


@contextlib.contextmanager
def _server(qmp: qmp_module.QmpClient,
            deadline: float) -> abc.Iterator[str]:
    """The context in which QEMU has an NBD server; path of its socket."""
    with tempfile.TemporaryDirectory(prefix='temporality-') as directory, (
            socket.socket(socket.AF_UNIX)) as listener:
        path = os.path.join(directory, 'nbd')
        listener.bind(path)
        listener.listen(1)
        qmp.getfd(_NAME, listener.fileno(), _left(deadline))
        qmp.command('nbd-server-start', {
            'addr': {'type': 'fd', 'data': {'str': _NAME}}},
            timeout=_left(deadline))
        try:
            yield path
        except nbd.NbdTimeout:
            # To stop it, QEMU would wait for the disk, and nothing else could
            # be asked of it. Without its socket nobody reaches it.
            raise
        except BaseException:
            _stop(qmp)
            raise
        _stop(qmp)


def _stop(qmp: qmp_module.QmpClient) -> None:
    qmp.command('nbd-server-stop', timeout=_CLEAN_UP)


@contextlib.contextmanager
def _exported(qmp: qmp_module.QmpClient, node: str, name: str, path: str,
              deadline: float) -> abc.Iterator[nbd.NbdClient]:
    """The context in which a node can be read."""
    # One that was saved is inactive, and stays so.
    qmp.command('block-export-add', {
        'type': 'nbd', 'id': name, 'name': name, 'node-name': node,
        'writable': False, 'allow-inactive': True}, timeout=_left(deadline))
    try:
        with nbd.NbdClient(path, name, deadline) as client:
            yield client
    finally:
        qmp.command('block-export-del', {'id': name, 'mode': 'hard'},
                    timeout=_CLEAN_UP)


def _left(deadline: float) -> float:
    return deadline - time.monotonic()
