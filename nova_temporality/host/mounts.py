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

"""What is mounted on this host."""

import os
from typing import NamedTuple

# Fields: docs.kernel.org/filesystems/proc.html, "3.5 mountinfo".
_MOUNTS = '/proc/self/mountinfo'


class FileSystem(NamedTuple):
    """A file system that is mounted.

    :ivar kind: "ext4", for example
    :ivar options: its own, not those of a mount
    """

    kind: str
    options: tuple[str, ...]


def of_device(device: int) -> FileSystem | None:
    """The file system of a device; None if it is not mounted.

    :param device: as in st_dev of its files
    """
    wanted = '%d:%d' % (os.major(device), os.minor(device))
    with open(_MOUNTS, encoding='utf-8', errors='replace') as mounts:
        for line in mounts:
            mount, _separator, system = line.partition(' - ')
            if mount.split()[2] == wanted:
                fields = system.split()
                return FileSystem(fields[0], tuple(fields[-1].split(',')))
    return None
