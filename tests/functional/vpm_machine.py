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

"""A guest with more memory than NVRAM, which checks all of it for ever."""

import os
import re
import subprocess

from nova_temporality import vpm
from tests.functional import machine

# KVM in a virtual machine goes over 4 MiB per second, pager or not.
MEMORY = {'tcg': 32 << 20, 'kvm': 8 << 20}

# What libvirt gives every QEMU.
SANDBOX = ('-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
           'resourcecontrol=deny')

# Gives a user access to /dev/userfaultfd, as libvirt does, but only this one.
_AS_USER = """
mount -t tmpfs none /mnt && mknod -m 666 /mnt/uffd c 10 %d &&
mount --bind /mnt/uffd /dev/userfaultfd && umount -l /mnt &&
exec setpriv --reuid "$0" --regid "$0" --clear-groups "$@"
"""


class VpmGuest(machine.Guest):
    """A guest of pattern.S.

    :param percent: how much of its memory is NVRAM
    """

    def __init__(self, pool, run_dir, tmp_path, accel='tcg', percent=50,
                 policy='s3fifo'):
        self._percent = percent
        self._policy = policy
        self._directory = tmp_path
        super().__init__(pool, run_dir, tmp_path, accel,
                         size=MEMORY[accel])

    def _alloc(self, size):
        swap = self._directory / 'swap'
        swap.mkdir(mode=0o711, exist_ok=True)
        return self.pool.alloc_vpm(
            self.name, size, size * self._percent // 100, swap,
            policy=self._policy, page_size=4096)

    def _boot_sector(self):
        return machine.assemble('pattern', self._directory,
                                '-DEND=%d' % self.region.virtual_size)

    def _launch(self, command, user):
        command = ['env', 'LD_PRELOAD=' + vpm.PRELOAD_PATH, '%s=%s' % (
            vpm.PRELOAD_VARIABLE, self.region.directory), *command, *SANDBOX]
        if user is not None:
            minor = os.minor(os.stat('/dev/userfaultfd').st_rdev)
            command = ['unshare', '--mount', 'sh', '-c', _AS_USER % minor,
                       str(user), *command]
        self.process = subprocess.Popen(command)

    def words(self):
        """What the guest says: pages done, round, bad address, boots."""
        with self.monitor() as monitor:
            text = monitor.command('human-monitor-command', {
                'command-line': 'xp /4xw 0x9000'})
        return [int(word, 16) for word in re.findall('0x[0-9a-f]{8}', text)]

    def counter(self):
        return self.words()[0]

    def boots(self):
        return self.words()[3]

    def stats(self):
        return self.pool.stats(self.region.id)

    def run_rounds(self, number):
        """Let it go over all its memory a number of times, soundly."""
        goal = self.words()[1] + number
        machine.wait_for(lambda: self.checked()[1] >= goal, 'rounds')

    def checked(self):
        words = self.words()
        assert words[2] == 0, 'memory at 0x%x is wrong' % words[2]
        assert self.stats().error is None
        return words
