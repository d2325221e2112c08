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

"""How much is copied at most, and whether there is room for it.

A server's disks are files that its own user id may write, and make as large as
the file system permits. So their sizes say nothing. What one may have is told
by the server's flavor, and what may be written by the room that is left.
"""

from collections import abc
import os

from nova_temporality.snapshot import error

_MIB = 1 << 20

# A qcow2 file has tables beside its data, and clusters that crashes leaked.
_SLACK = 64 * _MIB
_SLACK_PART = 16

# What is left of a file system for others: a part, but not more than that.
_LEFT = 1024 * _MIB
_LEFT_PART = 20


def limit(disk_size: int, paths: abc.Iterable[str]) -> int:
    """Bytes that no disk of a server has, nor a file that one rests on.

    :param disk_size: bytes that its flavor gives its disks; 0: it does not say
    :param paths: of the disks; if the flavor does not say it, none is larger
                  than the file system that it is on
    """
    if not disk_size:
        disk_size = max((_total(os.statvfs(path)) for path in paths),
                        default=0)
    return disk_size + disk_size // _SLACK_PART + _SLACK


def check_sizes(paths: abc.Iterable[str], at_most: int) -> None:
    """Make sure that no file is larger than that.

    :param at_most: see limit()
    :raises SnapshotError: one is
    """
    for path in paths:
        size = os.stat(path).st_size
        if size > at_most:
            raise error.SnapshotError(
                '%s has %d MiB, and no disk of the server can have more than '
                '%d MiB by its flavor. Find out who made it larger, and cut '
                'it off ("qemu-img info", "qemu-img resize --shrink"), or '
                'resize the server' % (path, _mib(size), _mib(at_most)))


def check_room(directory: str, needed: int) -> None:
    """Make sure that there is room for a copy.

    :param directory: that it goes to
    :param needed: bytes that it takes at most
    :raises SnapshotError: there is not
    """
    status = os.statvfs(directory)
    free = _free(status)
    if needed > free - _left(status):
        raise error.SnapshotError(
            'the copy needs up to %d MiB in %s, where %d MiB are free, of '
            'which %d are left to others. Make room there, or have the copy '
            'on another file system (snapshot_dir)' % (
                _mib(needed), directory, _mib(free), _mib(_left(status))))


def check_left(fd: int) -> None:
    """Make sure that what is being copied leaves room for others.

    :param fd: of the copy
    :raises SnapshotError: it does not
    """
    status = os.fstatvfs(fd)
    if _free(status) < _left(status):
        raise error.SnapshotError(
            'the copy filled its file system, of which %d MiB are left to '
            'others. Make room there' % _mib(_left(status)))


def _total(status: os.statvfs_result) -> int:
    return status.f_frsize * status.f_blocks


def _free(status: os.statvfs_result) -> int:
    return status.f_frsize * status.f_bavail


def _left(status: os.statvfs_result) -> int:
    return min(_LEFT, _total(status) // _LEFT_PART)


def _mib(size: int) -> int:
    return -(-size // _MIB)
