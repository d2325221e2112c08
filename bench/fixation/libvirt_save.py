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

"""Fixation against "virsh save" of the same machine.

A private libvirtd of an unprivileged user runs it (KVM, 1 GiB, all of it
written to with random data).
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import time

from bench.fixation import machines
from bench.fixation import scaling
from nova_temporality.qemu import route

GIB = 1 << 30
# Has to have an entry in the user database, and may use KVM.
_USER = 'libvirt-qemu'

_DOMAIN = """
<domain type='kvm'
        xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>touched</name><memory unit='b'>{size}</memory><vcpu>1</vcpu>
  <os><type machine='pc'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <memballoon model='none'/></devices>
  <qemu:commandline>{args}</qemu:commandline>
</domain>
"""


class Libvirt:
    """A libvirtd of its own, for a user id that is not used otherwise."""

    def __init__(self, home):
        self._home = home
        shutil.chown(home, _USER)
        group = str(os.stat('/dev/kvm').st_gid)
        self._as_user = [
            'setpriv', '--reuid', _USER, '--regid', group, '--clear-groups',
            'env', '-i', 'PATH=' + os.environ['PATH'],
            'HOME=%s' % home] + [
            'XDG_%s_HOME=%s/%s' % (kind, home, kind.lower())
            for kind in ('CONFIG', 'CACHE', 'DATA')] + [
            'XDG_RUNTIME_DIR=%s' % home]
        self._daemon = subprocess.Popen(
            [*self._as_user, 'libvirtd'], stderr=subprocess.DEVNULL)
        machines.wait_for(self._answers, 'libvirtd', 0.1)

    def _answers(self):
        return subprocess.run(
            self._command('version'), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0

    def _command(self, *words):
        return [*self._as_user, 'virsh', '-q', '-c', 'qemu:///session',
                *words]

    def virsh(self, *words):
        """Run a command of virsh."""
        subprocess.run(self._command(*words), check=True,
                       stdout=subprocess.DEVNULL)

    def close(self):
        """End the daemon, and what may still run."""
        subprocess.run(self._command('destroy', 'touched'),
                       stderr=subprocess.DEVNULL)
        self._daemon.terminate()
        self._daemon.wait()


class _Domain(scaling.machines.Machine):
    """A machine that libvirt runs."""

    def arguments(self):
        """What QEMU is given beside libvirt's own."""
        args = ['-object', 'memory-backend-file,id=nvram,share=on,'
                'mem-path=%s,size=%d' % (self.memory_path, self.memory),
                '-machine', 'memory-backend=nvram']
        for number, path in enumerate(self._sockets()):
            args += ['-chardev', 'socket,id=t%d,server=on,wait=off,path=%s'
                     % (number, path), '-mon', 'chardev=t%d,mode=control'
                     % number]
        return args


def _touch(path, size):
    """Write to all of it, but for what the firmware uses."""
    with open(path, 'r+b') as ram:
        ram.seek(16 * machines.MIB)
        while ram.tell() < size - 16 * machines.MIB:
            ram.write(os.urandom(machines.MIB))


def measure(rounds):
    """Return seconds of a save, milliseconds of a fixation, the ratio."""
    with machines.Site(size=2 * GIB) as site:
        home = pathlib.Path(site.disks, 'home')
        home.mkdir()
        os.chmod(site.disks, 0o711)
        os.chmod(site.path, 0o711)
        libvirt = Libvirt(home)
        try:
            return _measure(site, home, libvirt, rounds)
        finally:
            libvirt.close()


def _measure(site, home, libvirt, rounds):
    domain = _Domain(site, 'touched', [], GIB)
    directory = os.path.dirname(domain.region.ram_path)
    for path in (domain.region.ram_path, directory):
        shutil.chown(path, _USER)
    sockets = os.path.join(site.run_dir, 'qmp', 'touched')
    os.makedirs(sockets)
    shutil.chown(sockets, _USER)
    os.chmod(site.run_dir, 0o711)
    xml = home / 'domain.xml'
    xml.write_text(_DOMAIN.format(size=GIB, args=''.join(
        "<qemu:arg value='%s'/>" % one for one in domain.arguments())))
    os.chmod(xml, 0o644)
    libvirt.virsh('create', str(xml))
    time.sleep(2)
    _touch(domain.region.ram_path, GIB)
    fixator = site.start_engine(threads=1)
    armed = scaling.Armed(site, fixator, domain)
    way = armed.chosen_route()
    ours = [(one.fixated_ns - one.signal_ns) / 1e6 for one in
            (armed.fixate(way) for _ in range(rounds))]
    image = str(home / 'saved')
    start = time.monotonic()
    libvirt.virsh('save', 'touched', image)
    saved = time.monotonic() - start
    size = os.path.getsize(image)
    fixated = statistics.median(ours)
    return {'vs_virsh_save': round(saved * 1000 / fixated),
            'virsh_save_s': round(saved, 2), 'virsh_save_mib': size >> 20,
            'beside_virsh_save_ms': round(fixated, 2),
            'beside_virsh_save_route': way if way in (
                route.MIGRATE, route.SNAPSHOT) else None}
