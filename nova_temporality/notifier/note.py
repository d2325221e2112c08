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

"""Memory of having stopped a pVM, should the notifier not live to start it.

Between the stop and the valid marker nothing but this note tells that a
paused pVM ran until the notifier stopped it. The note is as volatile as the
QEMU process that it is about.
"""

import json
import os

from nova_temporality import paths


class StoppedNote:
    """The note about one pVM.

    :param run_dir: [temporality] run_dir
    :param name: of the pVM
    """

    def __init__(self, run_dir, name):
        self._path = paths.stopped_note(run_dir, name)

    def write(self, pid, runstate):
        """Note that QEMU *pid* was in *runstate* before the stop."""
        temporary = self._path + '.new'
        with open(temporary, 'w') as note:
            json.dump({'pid': pid, 'runstate': runstate}, note)
        os.rename(temporary, self._path)

    def read(self, pid):
        """Return the run state of QEMU *pid* before the stop, or None."""
        try:
            with open(self._path) as note:
                content = json.load(note)
            return content['runstate'] if content['pid'] == pid else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def remove(self):
        """Forget it; harmless when there is none."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
