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

"""A compute host's disk.

The disk is an ext4 file system on a loop device.  What was written to the
device counts as on the platter; what only the page cache holds does not,
and is what a power cut loses.
"""

import errno
import fcntl
import os
import pathlib
import struct
import subprocess
import time

from pocketcloud import layout
from pocketcloud import process

# EXT4_IOC_SHUTDOWN, which XFS calls XFS_IOC_GOINGDOWN, and its mode that
# writes nothing more, not even the journal.
IOC_SHUTDOWN = 0x8004587d
SHUTDOWN_NOLOGFLUSH = 2


def is_mounted(path):
    """Is something mounted on this very directory?"""
    mounts = pathlib.Path('/proc/self/mounts').read_text().splitlines()
    return str(path) in (line.split()[1] for line in mounts)


def mount_host_disk(host=layout.FIRST):
    """Mount a host's disk, made on first use."""
    if is_mounted(host.disk):
        return 'mounted already'
    image = host.disk_image
    if not image.exists():
        draft = image.with_suffix('.new')
        with draft.open('wb') as f:
            f.truncate(0)
        subprocess.run(['truncate', '-s', host.disk_size, draft],
                       check=True)
        subprocess.run(['mkfs.ext4', '-q', '-F', '-m', '0', draft],
                       check=True)
        draft.rename(image)
    host.disk.mkdir(exist_ok=True)
    subprocess.run(['mount', '-o', 'loop', image, host.disk], check=True)
    return 'mounted'


def sync_host_disk(host=layout.FIRST):
    """Write out everything, as happens on a host that has run for a while."""
    descriptor = os.open(host.disk, os.O_RDONLY)
    try:
        os.sync()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_host_disk(host=layout.FIRST):
    """Shut the file system down: what is not written is lost."""
    descriptor = os.open(host.disk, os.O_RDONLY)
    try:
        # Never that of the machine itself.
        if os.fstat(descriptor).st_dev == layout.STATE.stat().st_dev:
            raise OSError(errno.EINVAL, 'the disk is not mounted',
                          str(host.disk))
        fcntl.ioctl(descriptor, IOC_SHUTDOWN,
                    struct.pack('I', SHUTDOWN_NOLOGFLUSH))
    finally:
        os.close(descriptor)


def unmount(path, patience=20):
    """Unmount, waiting for the last user to be gone."""
    deadline = time.monotonic() + patience
    while is_mounted(path):
        done = subprocess.run(['umount', path], capture_output=True,
                              text=True)
        if done.returncode and time.monotonic() > deadline:
            raise OSError(errno.EBUSY, done.stderr.strip())
        if done.returncode:
            time.sleep(0.1)


def _unmount_in_namespaces(path):
    """Unmount it in the mount namespaces of the other host's daemons."""
    seen = {os.readlink('/proc/self/ns/mnt')}
    for pid in process.all_pids():
        try:
            namespace = os.readlink('/proc/%d/ns/mnt' % pid)
            mounts = pathlib.Path('/proc/%d/mounts' % pid).read_text()
        except OSError:
            continue  # it has ended
        if namespace not in seen and ' %s ' % path in mounts:
            subprocess.run(['nsenter', '--target', str(pid), '--mount',
                            'umount', path], check=False)
        seen.add(namespace)


def unmount_host_disk(host=layout.FIRST):
    """Unmount the host's disk and wait until its loop device is free.

    A mount namespace that lives on would keep the old file system alive,
    and the next mount would find it instead of reading the disk.
    """
    _unmount_in_namespaces(host.disk)
    unmount(host.disk)
    deadline = time.monotonic() + 20
    while subprocess.run(['losetup', '-j', host.disk_image],
                         stdout=subprocess.PIPE, check=True).stdout:
        if time.monotonic() > deadline:
            raise OSError(errno.EBUSY, 'something still uses the disk',
                          str(host.disk_image))
        time.sleep(0.1)
