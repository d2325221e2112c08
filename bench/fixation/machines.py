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

"""QEMUs to be measured, and what is around them.

They are started by hand, without libvirt and Nova, on regions of a pool in
tmpfs. Two kinds: the Linux guest of tools/guest under TCG, and an empty
machine under KVM that stays in its firmware.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from nova_temporality.cmd import engine as launcher
from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp
from nova_temporality import vpm
from nova_temporality.vpm import engine
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock

PATIENCE = 120
MIB = 1 << 20
LINUX_MEMORY = 192 * MIB


def wait_for(condition, what, interval=0.002):
    """Wait until condition() is true; return its value."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(interval)


def accelerator(kvm):
    """Arguments of QEMU."""
    return ['-accel', 'kvm' if kvm else 'tcg']


def _ended(process):
    process.kill()
    process.wait()


class Site:
    """A pool in tmpfs, its run_dir, and perhaps engine and notifier.

    :ivar path: scratch directory in tmpfs
    :ivar disks: scratch directory on a disk
    """

    def __init__(self, size=1 << 30, descriptors=64):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix='bench-fixation-',
                                                  dir='/dev/shm'))
        self.disks = pathlib.Path(tempfile.mkdtemp(prefix='bench-fixation-',
                                                   dir='/var/tmp'))
        self.run_dir = str(self.path / 'run')
        os.makedirs(os.path.join(self.run_dir, 'stopped'))
        self.pool = vpm.Pool.create(
            str(self.path / 'pool'), total_size=size, state_size=4 * MIB,
            descriptors=descriptors, uid_base=0)
        self._engine = self._notifier = None
        self._machines = []

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        for one in self._machines:
            one.kill()
        if self._notifier:
            self.stop_notifier()
        elif self._engine:
            self._engine = _ended(self._engine)
        self.pool.close()
        shutil.rmtree(self.path)
        shutil.rmtree(self.disks)

    def machine(self, *args, **kwargs):
        """Make a Machine that goes with the site."""
        self._machines.append(Machine(self, *args, **kwargs))
        return self._machines[-1]

    def start_engine(self, threads=2):
        """Start the real engine; return an engine.Engine that asks it."""
        self._engine = subprocess.Popen(
            [launcher.PROGRAM, '--pool', self.pool.path, '--run-dir',
             self.run_dir, '--threads', str(threads), '--priority', '50',
             '--hold-up-ms', '10', '--lock-memory'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asks = engine.Engine(self.run_dir)
        if not asks.wait_connected(PATIENCE):
            raise RuntimeError('the engine does not start')
        return asks

    def start_notifier(self, scan_interval_ms=200):
        """Start the real daemons; wait until they answer."""
        self.start_engine()
        conf = self.path / 'temporality.conf'
        conf.write_text('[temporality]\npool_path = %s\nrun_dir = %s\n'
                        'scan_interval_ms = %d\n'
                        'fixation_timeout_ms = 20000\n'
                        'metrics_port = 0\n'
                        % (self.pool.path, self.run_dir, scan_interval_ms))
        self._notifier = subprocess.Popen(
            [sys.executable, '-m', 'nova_temporality.cmd.notifier',
             '--config-file', str(conf)],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, 'the notifier')

    def stop_notifier(self):
        """End it, with the pVMs as they are."""
        self._notifier = _ended(self._notifier)
        self._engine = _ended(self._engine)

    def _answers(self):
        try:
            return self.call('status')
        except client.NotifierDown:
            return None

    def call(self, operation):
        """Have the notifier do something."""
        return client.call(self.run_dir, operation, PATIENCE)

    def pids(self):
        """Return the process ids of engine and notifier."""
        return {'engine': self._engine.pid, 'notifier': self._notifier.pid}

    def wait_armed(self):
        """Wait until all pVMs are."""
        wait_for(lambda: all(one['state'] == 'armed' for one in
                             self.call('refresh')['pvms']), 'armed')

    def power_fails(self):
        """Send signal 44; return the Outcomes."""
        seen = self._latest()
        self._engine.send_signal(44)
        count = sum(one.process is not None for one in self._machines)
        return wait_for(lambda: self._outcomes_after(seen, count),
                        'all outcomes')

    def _latest(self):
        found = outcomes.read(self.pool)
        return found[-1].sequence if found else 0

    def _outcomes_after(self, sequence, count):
        found = [one for one in outcomes.read(self.pool)
                 if one.sequence > sequence]
        return found if len(found) == count else None


class Machine:
    """One QEMU, on a region of its own.

    :param args: of QEMU, but for memory and monitors
    :param memory_path: a file to be used instead of the region's
    """

    def __init__(self, site, name, args, memory=LINUX_MEMORY,
                 memory_path=None):
        self.name = name
        self.memory = memory
        self.site = site
        self.args = args
        self.region = site.pool.alloc(name,
                                      4096 if memory_path else memory)
        self.memory_path = memory_path or self.region.ram_path
        self.process = None
        self.serial = site.disks / (name + '.serial')

    def start(self, *args, paused=False):
        """Start QEMU, and wait until its monitors listen."""
        os.makedirs(paths.qmp_dir(self.site.run_dir, self.name),
                    exist_ok=True)
        command = ['qemu-system-x86_64', '-nodefaults', '-display', 'none',
                   '-m', '%dM' % (self.memory // MIB),
                   '-machine', 'pc,memory-backend=nvram', '-object',
                   'memory-backend-file,id=nvram,share=on,mem-path=%s,'
                   'size=%d' % (self.memory_path, self.memory),
                   '-serial', 'file:%s' % self.serial]
        for number, path in enumerate(self._sockets()):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            command += ['-chardev', 'socket,id=qmp%d,server=on,wait=off,'
                        'path=%s' % (number, path),
                        '-mon', 'mode=control,chardev=qmp%d' % number]
        self.process = subprocess.Popen(
            command + ['-S'] * paused + list(self.args) + list(args),
            stderr=subprocess.DEVNULL)
        with socket.socket(socket.AF_UNIX) as one:
            wait_for(lambda: one.connect_ex(self._sockets()[-1]) == 0,
                     'QEMU of ' + self.name)

    def _sockets(self):
        return [of(self.site.run_dir, self.name) for of in (
            paths.fixate_socket, paths.watch_socket, paths.recover_socket)]

    def boot(self):
        """Start QEMU from scratch."""
        with runlock.RunLock(self.region):
            self.site.pool.begin_epoch(self.region.id)
            self.start()

    def load(self, state):
        """Start QEMU on the memory as it is and the state in *state*."""
        with runlock.RunLock(self.region):
            self.site.pool.begin_epoch(self.region.id)
            self.start('-incoming', 'defer')
            ours, theirs = socket.socketpair()
            with self.monitor() as monitor, ours:
                migration.set_ignore_shared(monitor, True, PATIENCE)
                with theirs:
                    monitor.getfd(engine.STREAM_NAME, theirs.fileno())
                monitor.command('migrate-incoming', {
                    'uri': migration.URI, 'exit-on-error': False})
                ours.sendall(state)
                ours.shutdown(socket.SHUT_WR)
                wait_for(lambda: migration.status(monitor, PATIENCE)[0] ==
                         'completed', 'the state')
                migration.clear_capabilities(monitor, PATIENCE)
                monitor.command('cont')

    @contextlib.contextmanager
    def monitor(self):
        """A QmpClient on the socket that the notifier does not use."""
        monitor = qmp.QmpClient(self._sockets()[-1], PATIENCE)
        try:
            yield monitor
        finally:
            monitor.close()

    def kill(self):
        """Let the power fail for QEMU."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


def linux_args(site, image, name, *network):
    """Arguments for the Linux guest, with a disk of its own."""
    disk = site.disks / (name + '.qcow2')
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', 'qcow2', '-b',
         str(image / 'root.img'), '-F', 'raw', str(disk)], check=True)
    return accelerator(False) + [
        '-kernel', str(image / 'vmlinuz'),
        '-initrd', str(image / 'initramfs'),
        '-append', 'console=ttyS0 quiet panic=-1',
        '-drive', 'file=%s,if=virtio,cache=none,rerror=stop,werror=stop'
        % disk, *network]


def booted(machine):
    """Whether the Linux guest says that it is up."""
    with contextlib.suppress(FileNotFoundError):
        return b'init: up since' in machine.serial.read_bytes()
    return False


def firmware(site, name, memory, *args, file=None):
    """A machine under KVM that stays in its firmware."""
    return site.machine(name, accelerator(True) + list(args), memory,
                        memory_path=file)
