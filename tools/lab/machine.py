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

"""The machine: its QEMU, its power switch, its boot."""

import contextlib
import os
import re
import time

from nova_temporality.qemu import qmp
from pocketcloud import process

from lab import agent
from lab import disk
from lab import layout

# TCG on a machine with other work; an idle one needs half a minute.
PATIENCE = 900
_ANSWER = 60

_APPEND = ('root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet '
           'systemd.show_status=true')


class NotReady(Exception):
    """The machine did not come up."""


def kernel():
    """The version of the kernel to boot.

    :raises NotReady: there is none that LAB_KERNEL asks for
    """
    there = [path.name.removeprefix('vmlinuz-')
             for path in layout.IMAGE.glob('vmlinuz-*')]
    return newest(there, layout.KERNEL)


def newest(versions, beginning):
    """The newest version that begins with these parts.

    :raises NotReady: there is none
    """
    found = [version for version in versions
             if not beginning or version == beginning or
             version.startswith(beginning + '.')]
    if not found:
        raise NotReady('there is no kernel %s (LAB_KERNEL), only: %s' % (
            beginning, ', '.join(sorted(versions))))
    return max(found, key=lambda version: [
        int(part) for part in re.findall('[0-9]+', version)])


def _memory():
    """Arguments that make its memory, and the kernel's for it."""
    if layout.NVRAM == 'vault':
        return ['-M', 'q35', '-m', '%dM' % layout.MEMORY_MIB], ''
    if layout.NVRAM == 'dram':
        return ['-M', 'q35', '-m', '%dM' % layout.DRAM_MEMORY_MIB], (
            ' ' + layout.SET_ASIDE)
    return [
        '-M', 'q35,nvdimm=on,nvdimm-persistence=' + layout.DOMAIN,
        '-m', '%dM,slots=2,maxmem=16G' % layout.MEMORY_MIB,
        '-object', 'memory-backend-file,id=nvdimm,share=on,mem-path=%s,'
        'size=%dM,align=2M' % (layout.NVDIMM, layout.NVDIMM_MIB),
        '-device', 'nvdimm,memdev=nvdimm,label-size=%dM' % layout.LABELS_MIB,
    ], ''


def command(version):
    """The command line of its QEMU.

    :param version: of the kernel
    """
    memory, append = _memory()
    return [
        'qemu-system-x86_64', '-nodefaults', '-no-user-config',
        '-name', 'temporality-lab', '-display', 'none',
        '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', *memory,
        '-drive', 'file=%s,if=virtio,format=qcow2,cache=none' % layout.OVERLAY,
        '-virtfs', 'local,path=%s,mount_tag=lab,security_model=none,'
        'readonly=on' % layout.SHARE,
        '-device', 'virtio-serial',
        '-chardev', 'socket,id=agent,server=on,wait=off,path=%s' %
        layout.AGENT,
        '-device', 'virtserialport,chardev=agent,'
        'name=org.qemu.guest_agent.0',
        '-chardev', 'socket,id=console,server=on,wait=off,path=%s,logfile=%s,'
        'logappend=on' % (layout.CONSOLE, layout.CONSOLE_LOG),
        '-serial', 'chardev:console',
        '-device', 'virtio-rng-pci',
        '-qmp', 'unix:%s,server=on,wait=off' % layout.MONITOR,
        '-kernel', str(layout.IMAGE / ('vmlinuz-' + version)),
        '-initrd', str(layout.IMAGE / ('initrd.img-' + version)),
        '-append', _APPEND + append]


def is_on():
    """Whether its QEMU runs."""
    return process.Record(layout.NAME).read() is not None


def switch_on():
    """Start it, unless it runs.

    :raises NotReady: it runs another kernel than that which is wanted
    """
    version = kernel()
    running = process.Record(layout.NAME).read()
    if running:
        if layout.KERNEL and running.fingerprint != version:
            raise NotReady('it runs with kernel %s; shut it down first '
                           '(make lab-down)' % running.fingerprint)
        return
    disk.open_overlay()
    environment = {name: value for name, value in os.environ.items()
                   if name != 'TEMPORALITY_STATE'}
    process.spawn(layout.NAME, command(version), layout.LOG, environment,
                  version)


def cut_power():
    """Nothing volatile of it survives."""
    running = process.Record(layout.NAME).read()
    if running is None:
        return
    process.kill(running.pid)
    if process.wait_gone([running.pid], 60):
        raise TimeoutError('QEMU survives SIGKILL: pid %d' % running.pid)
    process.Record(layout.NAME).remove()
    disk.close_overlay()


def inject_nmi():
    """Have its CPUs get a non-maskable interrupt."""
    with contextlib.closing(qmp.QmpClient(str(layout.MONITOR),
                                          _ANSWER)) as monitor:
        monitor.command('inject-nmi')


def wait_off():
    """Wait until it has shut itself down."""
    running = process.Record(layout.NAME).read()
    if running and process.wait_gone([running.pid], PATIENCE):
        raise NotReady('it does not shut down; see %s' % layout.CONSOLE_LOG)
    disk.close_overlay()


def connect():
    """An Agent, when the machine answers.

    :raises NotReady: it does not
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        if not is_on():
            raise NotReady('its QEMU ended; see %s' % layout.LOG)
        try:
            return agent.Agent(_ANSWER)
        except agent.AgentError as e:
            if time.monotonic() > deadline:
                raise NotReady('%s; see %s' % (e, layout.CONSOLE_LOG))
        time.sleep(1)


def wait_booted():
    """Wait until systemd has nothing left to start; return an Agent.

    :raises NotReady: a unit failed
    """
    connected = connect()
    state = connected.run('systemctl is-system-running --wait').stdout.strip()
    if state != 'running':
        failed = connected.run('systemctl --failed --no-legend --plain; '
                               'journalctl -b -p err --no-pager | tail -n 20')
        raise NotReady('systemd says that it is %s:\n%s' % (
            state, failed.stdout))
    return connected
