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

"""The daemons of this host, as the kernel describes their processes."""

import dataclasses
import os
import pathlib

from nova_temporality.host import reading

PROCFS = '/proc'

ENGINE = 'temporality-engine'
NOTIFIER = 'temporality-notifier'

# What the kernel keeps of a name (TASK_COMM_LEN).
_COMM = 15

# What /proc/PID/limits says of no limit at all.
UNLIMITED = -1

# linux/capability.h
_CAP_SYS_RESOURCE = 24


@dataclasses.dataclass(frozen=True)
class Daemon:
    """One that runs.

    :ivar open_files: how many it may have open; UNLIMITED
    :ivar locked_memory: bytes that it may lock; UNLIMITED
    :ivar has_any_pipe: whether its pipes may be larger than those of users
    :ivar is_replaced: whether its program on the disk is another one by now;
                       False also if this user may not know
    """

    pid: int
    open_files: int
    locked_memory: int
    has_any_pipe: bool
    is_replaced: bool


def find(name: str, procfs: str = PROCFS) -> Daemon | None:
    """A daemon that runs; None if none does, or in another PID namespace.

    :param name: ENGINE or NOTIFIER
    :param procfs: where procfs is mounted
    :raises OSError: nobody can tell now
    """
    for entry in os.listdir(procfs):
        directory = pathlib.Path(procfs, entry)
        if entry.isdecimal() and (
                reading.attribute(directory / 'comm') == name[:_COMM]):
            return _describe(directory)
    return None


def _describe(directory: pathlib.Path) -> Daemon | None:
    limits = reading.attribute(directory / 'limits')
    status = reading.attribute(directory / 'status')
    if not limits or not status:
        return None  # it has just ended
    capabilities = int(_field(status, 'CapEff:'), 16)
    return Daemon(
        int(directory.name),
        _limit(_field(limits, 'Max open files')),
        _limit(_field(limits, 'Max locked memory')),
        bool(capabilities >> _CAP_SYS_RESOURCE & 1),
        _is_replaced(directory / 'exe'))


def _field(text: str, name: str) -> str:
    """The first word behind a name at the beginning of a line."""
    return next(line.removeprefix(name).split()[0]
                for line in text.splitlines() if line.startswith(name))


def _limit(text: str) -> int:
    return UNLIMITED if text == 'unlimited' else int(text)


def _is_replaced(path: pathlib.Path) -> bool:
    try:
        return os.readlink(path).endswith(' (deleted)')
    except OSError as exc:
        reading.refuse_shortage(exc)
        return False
