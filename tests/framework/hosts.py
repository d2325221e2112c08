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


"""A host: its pool, its guests and its notifiers."""

import os
import shutil

from nova_temporality.host import paths
from tests.framework import machine
from tests.framework import vpm_machine


class Host:
    """Makes guests and notifiers, and cleans up after them."""

    def __init__(self, pool, run_dir, tmp_path):
        self.pool = pool
        self.run_dir = run_dir
        self._tmp_path = tmp_path
        self.engine = machine.Engine(run_dir)
        self._made = [self.engine]
        self.configure()

    def configure(self, timeout_ms=20000, scan_ms=50, hold_up_ms=20000,
                  **options):
        """What notifiers that are started from now on go by."""
        self.config_file = self._tmp_path / 'temporality.conf'
        self.config_file.write_text(
            '[temporality]\npool_path = %s\nrun_dir = %s\n'
            'scan_interval_ms = %d\nfixation_timeout_ms = %d\n'
            'hold_up_ms = %d\n'
            % (self.pool.path, self.run_dir, scan_ms, timeout_ms,
               hold_up_ms) +
            ''.join('%s = %s\n' % option for option in
                    ({'metrics_port': 0} | options).items()))

    def guest(self, *args, **kwargs):
        guest = machine.Guest(self.pool, self.run_dir, self._tmp_path, *args,
                              **kwargs)
        self._made.append(guest)
        return guest

    def vpm_guest(self, *args, **kwargs):
        guest = vpm_machine.VpmGuest(self.pool, self.run_dir, self._tmp_path,
                                     *args, **kwargs)
        self._made.append(guest)
        return guest

    def resident_guest(self, *args, **kwargs):
        guest = vpm_machine.ResidentGuest(
            self.pool, self.run_dir, self._tmp_path, *args, **kwargs)
        self._made.append(guest)
        return guest

    def add(self, *guests):
        """Clean up after guests that were made otherwise."""
        self._made += guests

    def booted(self, accel='tcg', number=None, **kwargs):
        """Make a guest that counts."""
        guest = self.guest(accel, number=number)
        guest.boot(**kwargs)
        return guest

    def notifier(self, program=None, point=None):
        notifier = machine.Notifier(self.config_file, self.run_dir,
                                    self.engine, program, point)
        self._made.append(notifier)
        return notifier

    def fixated(self):
        """Make a guest, and cut the power when it is fixated.

        :returns: the guest, and its notifier
        """
        guest = self.booted()
        notifier = self.notifier()
        notifier.protect(guest)
        notifier.power_fails()
        self.power_cut()
        assert guest.proven()
        return guest, notifier

    def fixate_and_note(self, guest):
        """Fixate a guest; wait for the note of its disks.

        :returns: the notifier
        """
        notifier = self.notifier()
        notifier.protect(guest)
        notifier.power_fails()
        machine.wait_for(lambda: os.path.exists(
            paths.disks_note(self.pool.path, guest.name)), 'the note')
        return notifier

    def remove_notes(self):
        shutil.rmtree(os.path.join(self.run_dir, 'stopped'))

    def power_cut(self):
        """Nothing of what runs survives."""
        for one in self._made:
            one.kill()
