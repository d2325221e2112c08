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

"""Hands a pVM's QEMU over to the engine, for one fixation at a time.

While it is armed the engine has a QMP connection of its own, and may be fired
at any instant; so nothing that gets in its way is done before it was disarmed.
"""

import fcntl
import os

from nova_temporality.qemu import migration
from nova_temporality.qemu import route
from nova_temporality import vpm
from nova_temporality.vpm import engine as native

# Room for a usual state between QEMU and the engine, so that neither waits:
# the most that needs no privilege (/proc/sys/fs/pipe-max-size).
_PIPE_SIZE = 1 << 20


class Arming:
    """The engine's unit for one pVM; there is none before open().

    :param engine: engine.Engine
    :param region: vpm.RegionInfo of its memory
    :param note: note.StoppedNote
    :param run_lock: runlock.RunLock
    """

    def __init__(self, engine, region, note, run_lock):
        self._engine = engine
        self._region = region
        self._note = note
        self._run_lock = run_lock
        self._unit = None

    def open(self):
        """Open the state file ahead of need."""
        if self._unit is None:
            self._unit = native.Unit(self._engine, self._region.id,
                                     self._note.file)

    def close(self):
        """Give the unit up; a fixation under way as well."""
        if self._unit is not None:
            self._unit.close()

    @property
    def armed(self):
        """Whether it is armed, and was not fired."""
        return self._unit is not None and self._unit.armed

    def arm(self, qemu, timeout, before=''):
        """Hand QEMU over to the engine, for one fixation.

        :param qemu: qemu.Qemu, connected
        :param before: its run state before it was stopped for an earlier
                       event, if it was
        """
        qmp = qemu.connect_for_engine(timeout)
        ours, theirs = os.pipe()
        try:
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
            qmp.getfd(native.STREAM_NAME, theirs, timeout)
            while True:
                runstate = migration.runstate(qmp, timeout)
                # The engine has to hear of whatever happens from now on.
                if not qmp.unread:
                    break
            self._unit.arm(qmp=qmp, stream=ours, lock=self._run_lock,
                           pid=qmp.pid, route=qemu.route or route.MIGRATE,
                           runstate=runstate,
                           before=before, producer='qemu ' + qmp.version,
                           priority=qemu.priority)
        finally:
            qmp.close()
            os.close(ours)
            os.close(theirs)

    def disarm(self):
        """Take the arming back; False when it is fired already."""
        return self._unit is None or self._unit.disarm()

    def fire(self, event, deadline_ns):
        """Fire it if it is armed; return whether it was."""
        return (self._unit is not None and
                self._unit.fire(event, deadline_ns))

    def outcome(self):
        """Wait for what was achieved; None if it was not fired."""
        return self._unit.wait() if self._unit is not None else None

    def drop_outcome(self):
        """Forget what was achieved; False if it is not known yet."""
        try:
            self._unit.wait(1)
        except vpm.DeadlineExceeded:
            return False
        return True
