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

"""Servers with Redis: a plain one, and pVMs of some residence.

All are the Linux guest of tools/guest under TCG, with the same disk and
network; they differ in their memory only. QEMU is started without libvirt.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from oslo_utils import units

from bench.fixation import machines
from bench.vpm import memories
from nova_temporality.qemu import qmp
from nova_temporality import vpm

# As in the papers.
MEMORY = 256 * units.Mi
PLAIN = 'plain'


@dataclasses.dataclass(frozen=True)
class Site:
    """Where servers have what they need.

    :ivar disks: directory for disks, swap files and monitors
    """

    disks: pathlib.Path
    pool: vpm.Pool


@contextlib.contextmanager
def site(args, count):
    """Make a Site for so many pVMs."""
    disks = pathlib.Path(tempfile.mkdtemp(prefix='bench-redis-',
                                          dir=args.disk))
    try:
        with memories.mappings(), memories.pool(
                args, count * MEMORY) as pool:
            yield Site(disks, pool)
    finally:
        shutil.rmtree(disks)


class Server:
    """A QEMU that runs only while it is measured; a context manager.

    :param site: a Site
    :param image: directory of "make guest"
    :param mrr: PLAIN, or the share of its memory that is NVRAM, in percent
    """

    def __init__(self, site, image, mrr):
        self.name = mrr if mrr == PLAIN else 'MRR %d %%' % mrr
        self.mrr = mrr
        self._pool = site.pool
        self._monitor_path = str(site.disks / ('%s.qmp' % mrr))
        self._disk = site.disks / ('%s.qcow2' % mrr)
        self._image = image
        self.region = self._alloc(site)
        self._monitor = None
        with socket.create_server(('127.0.0.1', 0)) as listener:
            self.port = listener.getsockname()[1]
        self._process = self._start()

    def _alloc(self, site):
        if self.mrr == PLAIN:
            return None
        if self.mrr == 100:
            return site.pool.alloc('mrr-100', MEMORY)
        swap = site.disks / 'swap'
        swap.mkdir(exist_ok=True)
        return site.pool.alloc_vpm(
            'mrr-%d' % self.mrr, MEMORY, MEMORY * self.mrr // 100, swap)

    def _start(self):
        subprocess.run(
            ['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b',
             str(self._image / 'root.img'), str(self._disk)], check=True)
        environment = dict(os.environ)
        memory = []
        if self.region:
            memory = ['-machine', 'memory-backend=nvram', '-object',
                      'memory-backend-file,id=nvram,share=on,mem-path=%s,'
                      'size=%d' % (self.region.memory_path, MEMORY)]
        if self.region and self.region.is_vpm:
            environment['LD_PRELOAD'] = vpm.PRELOAD_PATH
            environment[vpm.PRELOAD_VARIABLE] = self.region.directory
        return subprocess.Popen(
            ['qemu-system-x86_64', '-nodefaults', '-display', 'none',
             '-machine', 'pc', '-accel', 'tcg', '-m',
             '%dM' % (MEMORY // units.Mi), *memory,
             '-kernel', str(self._image / 'vmlinuz'),
             '-initrd', str(self._image / 'initramfs'),
             '-append', 'quiet panic=-1',
             # A paged server's disk goes through the page cache.
             '-drive', 'file=%s,if=virtio,cache=writethrough' % self._disk,
             '-netdev', 'user,id=net,hostfwd=tcp:127.0.0.1:%d-:6379' %
             self.port, '-device', 'virtio-net-pci,netdev=net,romfile=',
             '-qmp', 'unix:%s,server=on,wait=off' % self._monitor_path],
            env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._monitor:
            self._monitor.close()
        self._process.kill()
        self._process.wait()

    def wait_serving(self):
        """Wait until Redis answers, then stop the guest."""
        machines.wait_for(self._serving, 'Redis of ' + self.name, 0.1)
        self._monitor = qmp.QmpClient(self._monitor_path, machines.PATIENCE)
        self._monitor.command('stop')

    def _serving(self):
        if self._process.poll() is not None:
            raise SystemExit('QEMU of %s ended, status %d' % (
                self.name, self._process.returncode))
        with contextlib.suppress(OSError), socket.create_connection(
                ('127.0.0.1', self.port), 5) as one:
            one.settimeout(5)
            one.sendall(b'PING\r\n')
            return one.recv(100) == b'+PONG\r\n'

    @contextlib.contextmanager
    def running(self):
        """Let it run meanwhile."""
        self._monitor.command('cont')
        try:
            yield
        finally:
            self._monitor.command('stop')

    def stats(self):
        """Return vpm.RegionStats; None for the plain server."""
        if self.region is None:
            return None
        stats = self._pool.stats(self.region.id)
        if stats.error:
            raise SystemExit('%s: %s' % (self.name, stats.error))
        return stats
