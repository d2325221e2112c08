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

import dataclasses
import json
import os

from nova_temporality import paths


@dataclasses.dataclass(frozen=True)
class Stopped:
    """What is noted.

    :ivar pid: of the QEMU that was stopped
    :ivar runstate: its run state before
    :ivar raised_by: who wanted it, as in power.PowerEvent
    """

    pid: int
    runstate: str
    raised_by: tuple


class StoppedNote:
    """The note about one pVM.

    :param run_dir: [temporality] run_dir
    :param name: of the pVM
    """

    def __init__(self, run_dir, name):
        self._path = paths.stopped_note(run_dir, name)

    def write(self, stopped):
        """Note a Stopped, as a whole or not at all."""
        temporary = self._path + '.new'
        with open(temporary, 'w') as note:
            json.dump(dataclasses.asdict(stopped), note)
        os.rename(temporary, self._path)

    def read(self, pid):
        """Return the Stopped if it is about QEMU *pid*, or None."""
        try:
            with open(self._path) as note:
                content = json.load(note)
            stopped = Stopped(content['pid'], content['runstate'],
                              tuple(content['raised_by']))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return stopped if stopped.pid == pid else None

    def remove(self):
        """Forget it; harmless when there is none."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
