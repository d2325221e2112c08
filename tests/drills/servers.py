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

"""The servers: each checks its memory, its registers and its disk."""

import mmap
import os
import pathlib

from nova_temporality import vpm
from tests.drills import disk
from tests.framework import hosts
from tests.framework import machine
from tests.framework import vpm_machine

# In percent of its memory.
RESIDENT, PAGED = 100, 60


class Server(vpm_machine.VpmGuest):
    """A server that goes on from round to round."""

    def __init__(self, host: hosts.Host, directory: pathlib.Path,
                 accel: str, percent: int) -> None:
        self.is_paged = percent < 100
        directory.mkdir()
        super().__init__(host.pool, host.run_dir, directory, accel,
                         percent=percent, directory=directory)
        self._disk = disk.Disk(self.image)
        self.disk = self._disk.node()

    def _alloc(self, size: int) -> vpm.RegionInfo:
        if self.is_paged:
            return super()._alloc(size)
        return self.pool.alloc(self.name, size)

    def _launch(self, command, user):
        if self.is_paged:
            super()._launch(command, user)
        else:
            machine.Guest._launch(
                self, [*command, *vpm_machine.SANDBOX], user)

    def checked(self):
        """Return a Report in which nothing is wrong."""
        report = self.report()
        report.check()
        if self.is_paged:
            assert self.stats().error is None
        return report

    def begin(self) -> None:
        """Boot it afresh."""
        self.pool.scrub(self.region.id)
        os.truncate(self.image, 0)
        os.truncate(self.image, vpm_machine.DISK)
        self._disk = disk.Disk(self.image)
        self.boot()

    def check_all(self, times: int = 1) -> None:
        """Let it check as many pages as it has, a number of times."""
        self.run_steps(times * self.region.virtual_size // mmap.PAGESIZE)

    def lose_power(self, chance) -> tuple[int, int]:
        """It is killed, and its disk loses what was not flushed."""
        self.kill()
        return self._disk.cut(chance)

    def unproven(self) -> str:
        """Why it has no proven state; '' if it has one."""
        try:
            self.pool.verify_state(self.region.id)
        except vpm.Unproven as e:
            return str(e)
        return ''


def make(host: hosts.Host, directory: pathlib.Path) -> list[Server]:
    """Make servers: resident ones and a paged one."""
    fast = fastest()
    made = [Server(host, directory / str(number), accel, percent)
            for number, (accel, percent) in enumerate(
                [(fast, RESIDENT), (fast, PAGED), ('tcg', RESIDENT)])]
    host.add(*made)
    return made


def fastest() -> str:
    """The fastest accelerator that can be had."""
    return 'kvm' if os.access('/dev/kvm', os.R_OK | os.W_OK) else 'tcg'
