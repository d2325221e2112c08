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

"""The file system of a vault, on a disk that loses what was not flushed.

It is a Disk as the servers' are. A daemon of QEMU's has it as a file (FUSE),
and a loop device makes that a block device: so Linux' own flushes, those of
fdatasync(2) and of the journal, reach the log of writes. What only the page
cache or the disk's cache has is lost at a cut; so are the last writes of the
journal.
"""

import json
import os
import pathlib
import random
import subprocess

from tests.drills import disk
from tests.framework import machine
from tests.framework import native_build

_SIZE = 320 << 20


class VaultDisk:
    """A file system that is mounted.

    :param directory: of an empty one
    :ivar path: where it is mounted
    """

    def __init__(self, directory: pathlib.Path) -> None:
        directory.mkdir()
        image = directory / 'image'
        image.touch(0o600)
        os.truncate(image, _SIZE)
        native_build.run([
            'mkfs.ext4', '-q', '-b', '4096', '-J', 'size=4', '-E',
            'lazy_itable_init=0,lazy_journal_init=0,nodiscard', image])
        self.path = directory / 'mnt'
        self.path.mkdir()
        self._device = directory / 'device'
        self._device.touch()
        self._disk = disk.Disk(image)
        self._mount()

    def stop(self) -> None:
        """Nothing reaches the disk any more."""
        # Were the file system told first, it would flush.
        self._daemon.kill()
        self._daemon.wait()

    def cut(self, chance: random.Random) -> tuple[int, int]:
        """Power is back after stop(); see disk.Disk.cut().

        Nobody has anything of it open.
        """
        self._unmount()
        found = self._disk.cut(chance)
        self._mount()
        return found

    def close(self) -> None:
        """Lose all of it."""
        self.stop()
        self._unmount()

    def _mount(self) -> None:
        node = self._disk.node()
        for part in ('file', 'log'):
            # The machine's own disk does not take part.
            node[part] = {**node[part], 'cache': {'no-flush': True}}
        self._daemon = subprocess.Popen([
            'qemu-storage-daemon', '--blockdev',
            json.dumps({**node, 'node-name': 'disk'}), '--export',
            'type=fuse,id=export,node-name=disk,writable=on,mountpoint=%s' %
            self._device])
        machine.wait_for(lambda: self._device.stat().st_size == _SIZE,
                         'the disk')
        native_build.run(['mount', '-o', 'loop', self._device, self.path])

    def _unmount(self) -> None:
        # The loop device lets go a little later, or when those have ended who
        # got a copy of what was mounted, with a namespace of their own.
        for path in self.path, self._device:
            native_build.run(['umount', '--lazy', path])
