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


"""A tiny guest under real QEMU, and the parts around it."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid

from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality.qemu import incoming
from nova_temporality.qemu import qmp
from nova_temporality import vpm
from nova_temporality.vpm import runlock
from tests.framework import engine_at
from tests.framework import native_build

MEMORY = 32 << 20

# A notifier that something happens to at a chosen point.
ENGINE_AT = os.path.join(os.path.dirname(__file__), 'engine_at.py')
NOTIFIER_AT = os.path.join(os.path.dirname(__file__), 'notifier_at.py')

# A generous bound for what takes milliseconds, on a machine under load.
PATIENCE = 60

# Where the guest counts, in its memory.
_COUNTER = 0x9000
_BOOTS = 0x9008

# It counts in a register, which does not survive unless vCPU state does.
# First it writes a sector, so that the disk has something to flush.
_BOOT_SECTOR = bytes([
    0x31, 0xc0,                           # xor ax, ax
    0x8e, 0xd8,                           # mov ds, ax
    0x8e, 0xc0,                           # mov es, ax
    0xb8, 0x01, 0x03,                     # mov ax, 0x0301: write one sector
    0xbb, 0x00, 0x7c,                     # mov bx, 0x7c00
    0xb9, 0x02, 0x00,                     # mov cx, 2: the second one
    0xba, 0x80, 0x00,                     # mov dx, 0x80: of the first disk
    0xcd, 0x13,                           # int 0x13
    0x66, 0xff, 0x06, 0x08, 0x90,         # inc dword [_BOOTS]
    0x66, 0x31, 0xdb,                     # xor ebx, ebx
    0xfa,                                 # cli: the BIOS has ebx of its own
    0x66, 0x43,                           # again: inc ebx
    0x66, 0x89, 0x1e, 0x00, 0x90,         # mov [_COUNTER], ebx
    0xf3, 0x90,                           # pause
    0xeb, 0xf5,                           # jmp again
]).ljust(510, b'\0') + b'\x55\xaa'


# What a guest does instead whose disk is never idle: it counts its writes.
_WRITING_SECTOR = bytes([
    0x31, 0xc0,                           # xor ax, ax
    0x8e, 0xd8,                           # mov ds, ax
    0x8e, 0xc0,                           # mov es, ax
    0xb8, 0x01, 0x03,                     # again: mov ax, 0x0301
    0xbb, 0x00, 0x7c,                     # mov bx, 0x7c00
    0xb9, 0x02, 0x00,                     # mov cx, 2
    0xba, 0x80, 0x00,                     # mov dx, 0x80
    0xcd, 0x13,                           # int 0x13
    0x66, 0xff, 0x06, 0x00, 0x90,         # inc dword [_COUNTER]
    0xeb, 0xeb,                           # jmp again
]).ljust(510, b'\0') + b'\x55\xaa'


def wait_for(condition, what):
    """Wait until condition() is true; return its value."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, 'timed out: %s' % what
        time.sleep(0.005)


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
    except OSError:
        return False
    return True


def assemble(name, directory, *flags):
    """Return the boot sector that guests/<name>.S makes."""
    source = pathlib.Path(__file__).parent / 'guests' / (name + '.S')
    made, linked = directory / (name + '.o'), directory / (name + '.bin')
    native_build.run(['cc', '-m32', '-c', *flags, source, '-o', made])
    native_build.run(['ld', '-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat',
                      'binary', made, '-o', linked])
    return linked.read_bytes()


class Guest:
    """One pVM: a region, and the QEMU that runs on it.

    :param accel: "tcg" or "kvm"
    :param number: its priority, if any
    :param writing: whether it writes to its disk all the time
    :ivar is_noted: whether QEMU is to have its writes to memory noted
    """

    def __init__(self, pool, run_dir, tmp_path, accel='tcg', name=None,
                 size=MEMORY, disk_device='virtio-blk-pci,write-cache=off',
                 number=None, writing=False):
        self.is_noted = False
        self.pool = pool
        self.run_dir = run_dir
        self.accel = accel
        self.name = name or str(uuid.uuid4())
        self.region = self._alloc(size)
        self.disk_device = disk_device
        self._writing = writing
        self.image = tmp_path / (self.name + '.img')
        # SeaBIOS does not boot from a disk of a single sector.
        self.image.write_bytes(self._boot_sector().ljust(1 << 20, b'\0'))
        self.disk = {'driver': 'file', 'filename': str(self.image)}
        self.cache = {'direct': False}
        self.process = None
        # Its generation ID, if it has one.
        self.genid = None
        if number is not None:
            notes.write_priority(run_dir, self.name, number)

    def _alloc(self, size):
        return self.pool.alloc(self.name, size)

    def _boot_sector(self):
        return _WRITING_SECTOR if self._writing else _BOOT_SECTOR

    def start(self, *args, vga=False, paused=False, user=None):
        """Start QEMU, and wait until its QMP sockets are there."""
        directory = paths.qmp_dir(self.run_dir, self.name)
        os.makedirs(directory, 0o700, exist_ok=True)
        command = [
            'qemu-system-x86_64', '-nodefaults', '-display', 'none',
            '-machine', 'pc,memory-backend=nvram', '-accel', self.accel,
            '-m', '%dM' % (self.region.virtual_size >> 20),
            '-object', 'memory-backend-file,id=nvram,share=on,'
            'mem-path=%s,size=%d%s' % (
                self.region.memory_path, self.region.virtual_size,
                '' if self.region.is_vpm else ',align=2M'),
            '-vga', 'std' if vga else 'none',
            '-blockdev', json.dumps({'driver': 'raw', 'node-name': 'disk',
                                     'file': self.disk,
                                     'cache': self.cache}),
            '-device', self.disk_device +
            ',drive=disk,rerror=stop,werror=stop']
        sockets = (paths.fixate_socket(self.run_dir, self.name),
                   paths.watch_socket(self.run_dir, self.name),
                   paths.recover_socket(self.run_dir, self.name))
        for number, path in enumerate(sockets):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            command += ['-chardev', 'socket,id=qmp%d,server=on,wait=off,'
                        'path=%s' % (number, path),
                        '-mon', 'mode=control,chardev=qmp%d' % number]
        if self.genid:
            command += ['-device', 'vmgenid,guid=' + self.genid]
        if paused:
            command.append('-S')
        if user is not None:
            for path in (directory, self.image):
                os.chown(path, user, user)
        self._launch(command + list(args), user)
        wait_for(lambda: self._listens(sockets), 'QMP sockets')

    def _launch(self, command, user):
        if self.is_noted:
            command = ['env', 'LD_PRELOAD=' + vpm.PRELOAD_PATH, '%s=%s' % (
                vpm.WRITES_VARIABLE, self.region.ram_path), *command]
        self.process = subprocess.Popen(
            command, user=user, group=user,
            extra_groups=None if user is None else [])

    def _listens(self, sockets):
        assert self.process.poll() is None, 'QEMU ended'
        # They are made one after the other, and listen only then.
        with socket.socket(socket.AF_UNIX) as client:
            return (os.path.exists(sockets[-1]) and
                    client.connect_ex(sockets[-1]) == 0)

    def boot(self, *args, wait=True, **kwargs):
        """Start QEMU from scratch and wait until the guest counts."""
        with runlock.RunLock(self.region):
            self.pool.begin_epoch(self.region.id)
            self.start(*args, **kwargs)
        if wait:
            self.wait_counting()

    def recover(self, *args, **kwargs):
        """Do what nova-compute does when power is back; return StateInfo."""
        self.start('-incoming', 'defer', *args, **kwargs)
        state = self.load()
        self.run_on()
        return state

    def run_on(self):
        """Let what was loaded run."""
        with runlock.RunLock(self.region), self.monitor() as monitor:
            self.pool.begin_epoch(self.region.id)
            monitor.command('cont')

    def load(self):
        """Load the state without running it; return StateInfo."""
        with self.monitor() as monitor:
            return incoming.load_state(monitor, self.pool, self.region,
                                       PATIENCE)

    @contextlib.contextmanager
    def monitor(self):
        """A QmpClient on the socket that the notifier leaves alone."""
        path = paths.recover_socket(self.run_dir, self.name)
        monitor = qmp.QmpClient(path, PATIENCE)
        try:
            yield monitor
        finally:
            monitor.close()

    def runstate(self):
        with self.monitor() as monitor:
            return monitor.command('query-status')['status']

    def capabilities(self):
        """The set of migration capabilities that are on."""
        with self.monitor() as monitor:
            return {one['capability'] for one in
                    monitor.command('query-migrate-capabilities')
                    if one['state']}

    def counter(self):
        return self._memory(_COUNTER)

    def boots(self):
        return self._memory(_BOOTS)

    def _memory(self, offset):
        return struct.unpack('<I', self.peek(offset, 4))[0]

    def peek(self, offset, length):
        """Read the guest's memory."""
        with open(self.region.ram_path, 'rb') as ram:
            ram.seek(offset)
            return ram.read(length)

    def poke(self, offset, data):
        """Write to the guest's memory, as the guest might."""
        with open(self.region.ram_path, 'r+b') as ram:
            ram.seek(offset)
            ram.write(data)

    def wait_counting(self):
        """Wait until the counter moves."""
        before = self.counter()
        wait_for(lambda: self.counter() != before, 'the guest counts')

    def stands_still(self):
        """Whether the counter does not move for a while."""
        before = self.counter()
        time.sleep(0.2)
        return self.counter() == before

    def proven(self):
        """Whether a proven state of the present epoch is there."""
        try:
            self.pool.verify_state(self.region.id)
        except vpm.Unproven:
            return False
        return True

    def state_path(self):
        return os.path.join(os.path.dirname(self.region.ram_path), 'state')

    def hang(self):
        """Make QEMU answer nothing until wake()."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """Let the power fail for QEMU."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Engine:
    """The engine of a host, as a process.

    :ivar program: what to run instead of it
    :ivar under: a command that runs it, see units.py
    """

    def __init__(self, run_dir):
        self.process = None
        self.under = []
        self.program = ['-m', 'nova_temporality.cmd.engine']
        self._path = os.path.join(run_dir, 'engine.sock')
        self._started_with = None

    def ensure(self, config_file, point=None, **environment):
        """Make sure that it runs, with this configuration.

        :param point: see engine_at.py
        """
        wanted = pathlib.Path(config_file).read_text(), point
        if self.runs() and wanted == self._started_with:
            return
        self.kill()
        self._started_with = wanted
        self.launch(config_file, point, **environment)
        wait_for(lambda: not self.runs() or self.answers(), 'the engine')

    def launch(self, config_file, point=None, **environment):
        """Start it without waiting for anything."""
        self.process = subprocess.Popen(
            [*self.under, sys.executable, *([ENGINE_AT, point] if point else
                                            self.program),
             '--config-file', str(config_file)],
            env=dict(os.environ, **environment,
                     PYTHONPATH=os.pathsep.join(sys.path)))

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def answers(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            return client.connect_ex(self._path) == 0

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Notifier:
    """The daemon, as a process, and the engine of its host.

    :param engine: is started with it, unless it runs
    :param program: what to run instead of it; if that is the notifier at a
                    point of the engine, both die there
    :param point: of the engine, which dies there alone
    :ivar under: a command that runs it, see units.py
    """

    def __init__(self, config_file, run_dir, engine, program=None,
                 point=None):
        self.under = []
        self.run_dir = run_dir
        self.engine = engine
        self._config_file = config_file
        self._point = point or (program[1] if program and program[-1] in
                                engine_at.POINTS else None)
        self._command = [sys.executable] + (
            program or ['-m', 'nova_temporality.cmd.notifier']) + [
            '--config-file', str(config_file)]
        self.process = None

    def launch(self, **environment):
        """Start it without waiting for anything."""
        self.engine.ensure(self._config_file, self._point)
        self.process = subprocess.Popen(
            [*self.under, *self._command],
            env=dict(os.environ, **environment,
                     PYTHONPATH=os.pathsep.join(sys.path)))

    def start(self):
        """Start it and wait until it answers."""
        self.launch()
        wait_for(self.answers, 'the notifier')

    def answers(self):
        assert self.process.poll() is None, 'the notifier ended'
        try:
            return self.call('status')
        except client.NotifierDown:
            return None

    def call(self, operation, **arguments):
        return client.call(self.run_dir, operation, PATIENCE, **arguments)

    def state(self, guest):
        """How the notifier finds a guest, when it looks now."""
        self.call('refresh')
        return self.pvm(guest.name)['state']

    def pvm(self, name):
        """The status of one pVM."""
        return next(one for one in self.call('status')['pvms']
                    if one['name'] == name)

    def protect(self, *guests):
        """Start it, and make sure that it finds these guests armed."""
        self.start()
        for guest in guests:
            assert self.state(guest) == 'armed', self.pvm(guest.name)

    def power_fails(self):
        """Send the POD's signal and wait for the acknowledgement."""
        before = self.call('status')['last_outage']
        self.engine.process.send_signal(44)
        return self.outage(lambda outage: outage != before)

    def outage(self, holds=bool):
        """Wait until this holds for the last outage's report; return it.

        The report comes after what it tells of.
        """
        def look():
            outage = self.call('status')['last_outage']
            return outage if outage and holds(outage) else None

        return wait_for(look, 'the report')

    def called_off(self):
        """Wait until the last outage is reported as called off."""
        return self.outage(lambda outage: outage['called_off'])

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def outcome(report, guest):
    """What a report says about one guest."""
    return next(one for one in report['pvms'] if one['name'] == guest.name)
