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

"""Whether some process has a region's memory open."""

import errno
import fcntl
import os

from nova_temporality.vpm import pool as pool_module


class RegionError(Exception):
    """Why a pVM is not started; somebody has to do something about it."""

    def format_message(self) -> str:
        """Return what Nova shows as the server's fault.

        Without this method Nova would show the name of the class.
        """
        return str(self)


class RegionInUse(RegionError):
    """Another process has a pVM's memory open, and should not."""


def refuse_if_in_use(region: pool_module.RegionInfo) -> None:
    """Make sure that no process has a region's files open for writing.

    There must never be two QEMUs on one memory, even if libvirt does not know
    of one of them.

    :raises RegionInUse: somebody has one of them open
    """
    for path in _files(region):
        if _is_written(path):
            raise RegionInUse(
                'the memory of %s (%s) is open in another process, probably '
                'a QEMU that libvirt does not know of. End that process '
                'first' % (region.name, path))


def _files(region: pool_module.RegionInfo) -> list[str]:
    """All files that belong to the region's user id."""
    files = [region.ram_path]
    if region.is_vpm:
        files += [region.virtual_path, os.path.join(region.directory, 'ppt')]
        # A swap directory that is not mounted is told of by whoever needs it.
        if os.path.exists(region.swap_path):
            files.append(region.swap_path)
    return files


def _is_written(path: str) -> bool:
    """Whether some process has a file open for writing, or a lease on it.

    The kernel grants a read lease only if nobody has the file open for writing
    (fcntl(2), F_SETLEASE). Of a file system without leases nobody knows.
    """
    fd = None
    try:
        # A process of the file's owner, with a lease, could have us wait.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            return False
        if exc.errno != errno.EAGAIN:
            raise
        return True
    finally:
        if fd is not None:
            os.close(fd)
    return False
