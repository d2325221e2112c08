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

"""A Ceph of one monitor and one OSD in memory, on loopback."""

import glob
import os
import shutil
import signal
import subprocess
import uuid

from tests.framework import machine

_PROGRAMS = ('ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'rbd')
_QEMU_MODULES = '/usr/lib/*/qemu/block-rbd.so'

POOL = 'vms'

# The cache keeps what nobody flushes.
_CONF = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{port}/0]
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 268435456
mon_data = {directory}/mon
osd_data = {directory}/osd
run_dir = {directory}
crash_dir = {directory}
log_file = {directory}/$name.log
mon_cluster_log_file = {directory}/cluster.log
admin_socket =
mon_data_avail_crit = 0
rbd_cache = true
rbd_cache_policy = writeback
rbd_cache_writethrough_until_flush = false
rbd_cache_max_dirty_age = 86400
"""


def missing():
    """What is not installed of it, in words; None if all is."""
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            return '%s is not installed' % program
    if not glob.glob(_QEMU_MODULES):
        return 'QEMU has no module for RBD (qemu-block-extra)'
    return None


class Ceph:
    """A cluster, with one pool.

    :ivar conf: path of its configuration
    """

    def __init__(self, directory, spawn):
        self.conf = str(directory / 'ceph.conf')
        self._spawn = spawn
        self._daemons = []
        fsid = str(uuid.uuid4())
        port = machine.free_port()
        (directory / 'ceph.conf').write_text(_CONF.format(
            fsid=fsid, port=port, directory=directory))
        (directory / 'osd').mkdir()
        monmap = str(directory / 'monmap')
        self.run('monmaptool', '--create', '--fsid', fsid, '--addv', 'a',
                 '[v2:127.0.0.1:%d]' % port, monmap)
        self.run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monmap)
        self._daemon('ceph-mon', '-i', 'a')
        osd = str(uuid.uuid4())
        number = self.run('ceph', 'osd', 'new', osd).strip()
        self.run('ceph-osd', '--mkfs', '-i', number, '--osd-uuid', osd)
        self._daemon('ceph-osd', '-i', number)
        self.run('ceph', 'osd', 'pool', 'create', POOL, '1')

    def run(self, program, *args):
        """Run one of its programs; return what it says."""
        return subprocess.run(
            [program, '--conf', self.conf, *args], check=True,
            stdout=subprocess.PIPE, text=True, timeout=machine.PATIENCE).stdout

    def rbd(self, *args):
        return self.run('rbd', '--pool', POOL, *args)

    def lend(self, guest):
        """Have a guest that is not booted yet use an image for its disk."""
        self.rbd('import', '--image-feature', 'layering', guest.image,
                 guest.name)
        guest.disk = {'driver': 'rbd', 'conf': self.conf, 'pool': POOL,
                      'image': guest.name}

    def read(self, guest):
        """What the cluster has of a guest's disk."""
        path = str(guest.image) + '.read'
        self.rbd('export', guest.name, path)
        with open(path, 'rb') as image:
            contents = image.read()
        os.unlink(path)
        return contents

    def hang(self):
        """Have it answer nothing until wake()."""
        for daemon in self._daemons:
            daemon.send_signal(signal.SIGSTOP)

    def wake(self):
        for daemon in self._daemons:
            daemon.send_signal(signal.SIGCONT)

    def _daemon(self, program, *args):
        self._daemons.append(self._spawn(
            [program, '--conf', self.conf, '-f', *args],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
