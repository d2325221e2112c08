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

"""A guest with more memory than NVRAM, which checks all that it has."""

import contextlib
import functools
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

from nova_temporality.host import paths
from nova_temporality import vpm
from tests.framework import checker_report
from tests.framework import machine
from tests.framework import native_build

# KVM in a virtual machine goes over 4 MiB per second, pager or not.
MEMORY = {'tcg': 32 << 20, 'kvm': 8 << 20}
DISK = 16 << 20

_GUEST = pathlib.Path(__file__).parent / 'guests' / 'checker'
_FLAGS = ['-std=gnu11', '-m32', '-march=i686', '-O2', '-Wall', '-Wextra',
          '-Werror', '-ffreestanding', '-nostdlib', '-static', '-fno-pic',
          '-no-pie', '-fno-stack-protector', '-mgeneral-regs-only',
          '-fno-tree-loop-distribute-patterns',
          '-Wl,-Ttext=0x100000,-N,--build-id=none']

_FRAME_TYPE = b'\x88\xb5'  # net.c

# What libvirt gives every QEMU.
SANDBOX = ('-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
           'resourcecontrol=deny')

# Gives a user access to /dev/userfaultfd, as libvirt does, but only this one.
_AS_USER = """
mount -t tmpfs none /mnt && mknod -m 666 /mnt/uffd c 10 %d &&
mount --bind /mnt/uffd /dev/userfaultfd && umount -l /mnt &&
exec setpriv --reuid "$0" --regid "$0" --clear-groups "$@"
"""


@functools.lru_cache(maxsize=None)
def kernel():
    """Build the guest; return its file."""
    target = pathlib.Path(native_build.directory().name) / 'guest.elf'
    native_build.run(['cc', *_FLAGS, *sorted(_GUEST.glob('*.[cS]')),
                      '-o', target])
    return target


class Echo:
    """Returns to the guest what it sent.

    But not what QEMU sends by itself, to announce a guest that was loaded.
    """

    def __init__(self, directory):
        os.makedirs(directory, 0o700)
        self.guest_path = os.path.join(directory, 'net')
        self.path = os.path.join(directory, 'echo')
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            frame = self._socket.recv(65536)
            # The power may have failed meanwhile.
            with contextlib.suppress(OSError):
                if frame[12:14] == _FRAME_TYPE:
                    self._socket.sendto(frame, self.guest_path)


class VpmGuest(machine.Guest):
    """A guest that checks its memory, its disk and its network.

    :param percent: how much of its memory is NVRAM
    :param cpus: how many CPUs it has
    :param directory: where its disk and its swap file are, not on NVRAM
        if given
    """

    def __init__(self, pool, run_dir, tmp_path, accel='tcg', percent=50,
                 policy='s3fifo', cpus=2, directory=None):
        self._percent = percent
        self._policy = policy
        self._cpus = cpus
        self._directory = directory or tmp_path
        super().__init__(pool, run_dir, self._directory, accel,
                         size=MEMORY[accel],
                         disk_device='virtio-blk-pci,disable-modern=on')
        os.truncate(self.image, DISK)
        # Where other users can read it.
        self._kernel = shutil.copy(kernel(), self._directory)
        # Where its user id may make sockets.
        self._echo = Echo(paths.qmp_dir(run_dir, self.name))

    def _alloc(self, size):
        swap = self._directory / 'swap'
        swap.mkdir(mode=0o711, exist_ok=True)
        return self.pool.alloc_vpm(
            self.name, size, size * self._percent // 100, swap,
            policy=self._policy, page_size=4096)

    def _boot_sector(self):
        return b''

    def start(self, *args, user=None, **kwargs):
        if user is not None:
            os.chown(self._echo.path, user, user)
        super().start(
            '-kernel', str(self._kernel), '-smp', str(self._cpus),
            '-netdev', 'dgram,id=net,local.type=unix,local.path=%s,'
            'remote.type=unix,remote.path=%s' % (self._echo.guest_path,
                                                 self._echo.path),
            '-device', 'virtio-net-pci,netdev=net,disable-modern=on,romfile=',
            *args, user=user, **kwargs)

    def _launch(self, command, user):
        command = ['env', 'LD_PRELOAD=' + vpm.PRELOAD_PATH, '%s=%s' % (
            vpm.PRELOAD_VARIABLE, self.region.directory), *command, *SANDBOX]
        if user is not None:
            minor = os.minor(os.stat('/dev/userfaultfd').st_rdev)
            command = ['unshare', '--mount', 'sh', '-c', _AS_USER % minor,
                       str(user), *command]
        self.process = subprocess.Popen(command)

    def report(self):
        """Return what it says now."""
        with self.monitor() as monitor:
            text = monitor.command('human-monitor-command', {
                'command-line': 'xp /%dxw 0x%x' % (
                    checker_report.LENGTH, checker_report.ADDRESS)})
        return checker_report.Report(int(word, 16) for word in
                                     re.findall('0x[0-9a-f]{8}', text))

    def counter(self):
        return sum(self.report().steps)

    def wait_counting(self):
        self._wait_for_step(self.report().steps)

    def boots(self):
        return self.report().boots

    def stats(self):
        return self.pool.stats(self.region.id)

    def checked(self):
        """Return a Report in which nothing is wrong."""
        report = self.report()
        report.check()
        assert self.stats().error is None
        return report

    def run_until(self, done):
        """Let it go on until done(report, stats), soundly.

        However long that takes, each of its CPUs has to get on.
        """
        while True:
            report = self.checked()
            if done(report, self.stats()):
                return
            time.sleep(0.1)
            self._wait_for_step(report.steps)

    def _wait_for_step(self, before):
        def got_on():
            now = self.checked()
            return all(now.steps[cpu] != before[cpu]
                       for cpu in range(now.cpus)) and (
                           now.filled and now.cpus == self._cpus)
        try:
            machine.wait_for(got_on, 'a step of each CPU')
        except AssertionError as e:
            raise AssertionError('%s: %s, %s' % (
                e, vars(self.report()), self.stats()))

    def run_steps(self, number):
        """Let it check so many more pages, soundly."""
        goal = sum(self.checked().steps) + number
        self.run_until(lambda report, _: sum(report.steps) >= goal)

    def run_rounds(self, number):
        """Let it check as many pages as it has, a number of times."""
        self.run_steps(number * self.region.virtual_size //
                       self.region.page_size)


class ResidentGuest(VpmGuest):
    """The same guest, with all of its memory in NVRAM, and no pager."""

    def _alloc(self, size):
        return self.pool.alloc(self.name, size)

    def _launch(self, command, user):
        machine.Guest._launch(self, [*command, *SANDBOX], user)

    def checked(self):
        report = self.report()
        report.check()
        return report

    def run_until(self, done):
        while not done(self.checked(), None):
            time.sleep(0.1)

    def run_rounds(self, number):
        self.run_steps(number * self.region.size // 4096)
