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

"""How a pVM is, as the status shows it."""

import dataclasses
import errno
import os

from nova_temporality.qemu import words

# Conditions of a pVM.
OFF = 'off'
NOT_ARMED = 'not armed'
ARMED = 'armed'
FIXATED = 'fixated'
STOPPED = 'stopped'

# Why a pVM cannot be protected, in a word that stays the same from release to
# release (doc/source/operate/alerts/server-unarmed.rst says what it means).
CHANGES = 'CHANGES'
DISK_CACHE = 'DISK_CACHE'
ENGINE_AWAY = 'ENGINE_AWAY'
ERROR = 'ERROR'
FIXATION_FAILED = 'FIXATION_FAILED'
MEMORY_UNSAFE = 'MEMORY_UNSAFE'
MIGRATION_BLOCKED = 'MIGRATION_BLOCKED'
MOVES = 'MOVES'
NOT_ON_RECORD = 'NOT_ON_RECORD'
NVDIMM_NOT_ARMED = 'NVDIMM_NOT_ARMED'
OTHER_MEMORY = 'OTHER_MEMORY'
OTHER_PROCESS = 'OTHER_PROCESS'
PID_NAMESPACE = 'PID_NAMESPACE'
QEMU_SILENT = 'QEMU_SILENT'
SAVED_BEFORE = 'SAVED_BEFORE'
STATE_SIZE = 'STATE_SIZE'
SWAP = 'SWAP'
CODES = (CHANGES, DISK_CACHE, ENGINE_AWAY, ERROR, FIXATION_FAILED,
         MEMORY_UNSAFE, MIGRATION_BLOCKED, MOVES, NOT_ON_RECORD,
         NVDIMM_NOT_ARMED, OTHER_MEMORY, OTHER_PROCESS, PID_NAMESPACE,
         QEMU_SILENT, SAVED_BEFORE, STATE_SIZE, SWAP)

# Run states in which there is nothing to save, and why.
NOTHING_TO_SAVE = {
    'inmigrate': 'it waits for its state or, migrated live, for its memory; '
                 'an earlier state stays valid',
    'prelaunch': 'its vCPUs have not run yet',
    'shutdown': 'the guest has powered itself off',
}


# Run states in which it stands still but can be fixated, and what to tell an
# operator about them: reason and remedy.
STANDS_STILL = {
    'io-error': (
        'it stands still, because a disk did not take what it wrote, or did '
        'not give what it read',
        'make room on what holds its disk, or repair it; then "openstack '
        'server pause" and "openstack server unpause" let it run on and lose '
        'nothing (a hard reboot gives its memory up)'),
}


@dataclasses.dataclass(frozen=True)
class Condition:
    """How a pVM is.

    :ivar state: OFF, NOT_ARMED, ARMED, FIXATED or STOPPED
    :ivar reason: why, in words; perhaps QEMU's, so they are made printable
    :ivar remedy: what an operator can do, in words
    :ivar code: one of CODES if it cannot be protected; None otherwise, also
                if it has nothing to save
    :ivar route: how its state would be written, while it is armed: see the
                 module qemu.route
    """

    state: str
    reason: str | None = None
    remedy: str | None = None
    code: str | None = None
    route: str | None = None

    def __post_init__(self) -> None:
        if self.reason is not None:
            object.__setattr__(self, 'reason', words.printable(self.reason))


class NotArmed(Exception):
    """A pVM cannot be armed; str() is the reason.

    :ivar condition: the Condition
    """

    def __init__(self, state: str, reason: str | None = None,
                 remedy: str | None = None, code: str | None = None) -> None:
        self.condition = Condition(state, reason, remedy, code)
        super().__init__(self.condition.reason)


def after(error: Exception) -> Condition:
    """Return the condition of a pVM after an error that nobody expects."""
    remedy = None
    if os.strerror(errno.EMFILE) in str(error):
        remedy = ('raise LimitNOFILE in the units of temporality-engine and '
                  'temporality-notifier, and restart them')
    return Condition(NOT_ARMED, '%s: %s' % (type(error).__name__, error),
                     remedy, ERROR)
