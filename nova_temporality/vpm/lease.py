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
    """Make sure that no process has a region's memory open for writing.

    There must never be two QEMUs on one memory, even if libvirt does not know
    of one of them.

    :raises RegionInUse: somebody has its memory open
    """
    # The kernel grants a read lease only if nobody has the file open for
    # writing (fcntl(2), F_SETLEASE).
    fd = os.open(region.ram_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        if exc.errno != errno.EAGAIN:
            raise
        raise RegionInUse(
            'the memory of %s (%s) is open in another process, probably a '
            'QEMU that libvirt does not know of. End that process first' %
            (region.name, region.ram_path))
    finally:
        os.close(fd)
