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

"""The directory of a vault: what it must be, and what it says of its pool."""

from collections import abc
import contextlib
import dataclasses
import errno
import fcntl
import os
import stat
import uuid

from nova_temporality.host import durable
from nova_temporality.host import mounts
from nova_temporality.vault import sealed

# What a vault must not lie on, by statfs(2): they are gone after a reboot.
_VOLATILE = ('tmpfs', 'ramfs', 'devtmpfs', 'hugetlbfs')

# As little as the manifests of a pool take.
_SLACK = 64 << 20


class VaultError(Exception):
    """A vault cannot be used; str() says why, and what to do."""


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Of which pool a vault is, and how that was made; see vpm.Pool."""

    uuid: str
    total_size: int
    state_size: int
    page_size: int
    descriptors: int
    uid_base: int


def prepare(path: str, pool_path: str, size: int) -> str:
    """Make the directory of a new vault, or take an empty one.

    :param pool_path: of the pool that is to have it
    :param size: bytes that a full pool takes
    :returns: its absolute path
    :raises VaultError: it cannot be one
    """
    if os.path.ismount(pool_path):
        raise VaultError(
            '%s is a mount point. A pool with a vault is put in its place as '
            'a whole when it is restored: choose a directory below it' %
            pool_path)
    if not os.path.isabs(path):
        raise VaultError('the path of the vault, "%s", is not absolute' % path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    path = os.path.realpath(path)
    _check_directory(path)
    there = sorted(os.listdir(path))
    if 'vault' in there:
        raise VaultError(
            '%s is the vault of a pool already. Put that one back: '
            '"temporality vault restore"; or remove the directory, if its '
            "servers' memory can be lost" % path)
    if set(there) - {'lost+found', 'records', 'servers'}:
        raise VaultError('%s is not empty: it holds "%s". Choose another '
                         'directory' % (path, there[0]))
    _check_file_system(path, pool_path)
    _check_room(path, size)
    for name in ('records', 'servers'):
        with contextlib.suppress(FileExistsError):
            durable.make_directory(os.path.join(path, name))
    durable.sync(os.path.dirname(path))
    return path


def name_pool(path: str, parameters: Parameters) -> None:
    """Say, durably, of which pool a vault is."""
    sealed.write(os.path.join(path, 'vault'), 'vault',
                 dataclasses.asdict(parameters))


def forget_pool(path: str) -> None:
    """Take name_pool() back."""
    durable.remove(os.path.join(path, 'vault'))


def parameters(path: str) -> Parameters:
    """Tell of which pool a vault is.

    :raises VaultError: that is none
    """
    try:
        fields, _extra = sealed.read(os.path.join(path, 'vault'), 'vault')
    except FileNotFoundError:
        raise VaultError('%s is no vault: mount its disk, or name another '
                         'directory' % path)
    except sealed.Damaged as e:
        raise VaultError('%s cannot be used: %s' % (path, e))
    _check_directory(path)
    return Parameters(**fields)


def check_pool(path: str, pool_uuid: uuid.UUID) -> None:
    """Make sure that a vault is that of a pool.

    :raises VaultError: it is another one's, or none
    """
    its = parameters(path).uuid
    if its != str(pool_uuid):
        raise VaultError(
            '%s is the vault of pool %s, not of %s. Mount the right disk' %
            (path, its, pool_uuid))


@contextlib.contextmanager
def locked(path: str, is_shared: bool = False) -> abc.Iterator[None]:
    """The context in which nobody else writes or restores a vault.

    :param is_shared: whether it is not to count as being written
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def is_locked(path: str) -> bool:
    """Whether somebody writes or restores a vault just now."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _check_directory(path: str) -> None:
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise VaultError('%s is no directory' % path)
    if found.st_mode & 0o077 or found.st_uid != os.geteuid():
        raise VaultError(
            '%s has mode %04o and belongs to user id %d; it holds the memory '
            'of servers, so only root may enter it: chown root %s; chmod 0700 '
            '%s' % (path, stat.S_IMODE(found.st_mode), found.st_uid, path,
                    path))


def _check_file_system(path: str, pool_path: str) -> None:
    parent = os.path.dirname(os.path.abspath(pool_path))
    if os.stat(path).st_dev == os.stat(parent).st_dev:
        raise VaultError(
            'the vault %s is on the same file system as the pool %s, and '
            'would be gone with it: choose one on a disk' % (path, pool_path))
    mounted = mounts.of_device(os.stat(path).st_dev)
    if mounted and mounted.kind in _VOLATILE:
        raise VaultError('the vault %s is on %s, which a reboot empties: '
                         'choose a file system on a disk' %
                         (path, mounted.kind))


def _check_room(path: str, size: int) -> None:
    """Try whether a full pool fits; each server's room is reserved later."""
    there = os.statvfs(path)
    free = there.f_bavail * there.f_frsize
    if free < size + _SLACK:
        raise VaultError(
            'the vault %s has %d MiB free, and a full pool takes %d: make '
            'room, or make the pool smaller (--size, --descriptors, '
            '--state-size)' % (path, free >> 20, (size + _SLACK) >> 20))
    probe = os.path.join(path, 'servers.new')
    fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _SLACK)
    except OSError as e:
        if e.errno in (errno.EOPNOTSUPP, errno.EINVAL):
            raise VaultError('the file system of the vault %s cannot reserve '
                             'room (%s): use ext4 or XFS' % (path, e))
        raise VaultError('no room can be reserved in the vault %s: %s' %
                         (path, e))
    finally:
        os.close(fd)
        os.unlink(probe)
