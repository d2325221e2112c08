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

"""A note on disk that the notifier stopped a pVM.

Between the stop and the valid marker only this note says that a paused pVM
ran until the notifier stopped it. It serves the next notifier, should this
one be killed in between. The note is as volatile as the QEMU process that it
is about. At the event the engine writes it.
"""

from nova_temporality.host import paths
from nova_temporality.vpm import engine


class StoppedNote:
    """The note about one pVM.

    :param run_dir: [temporality] run_dir
    :param name: of the pVM
    :ivar file: engine.Note, for the engine
    """

    def __init__(self, run_dir: str, name: str) -> None:
        self.file = engine.Note(paths.stopped_note(run_dir, name))

    def write(self, stopped: engine.Stopped) -> None:
        """Replace the note, as a whole or not at all."""
        self.file.write(stopped)

    def read(self, pid: int) -> engine.Stopped | None:
        """Return the note if it is about the QEMU *pid*, else None."""
        stopped = self.file.read()
        return stopped if stopped and stopped.pid == pid else None

    def remove(self) -> None:
        """Remove the note; harmless when there is none."""
        self.file.write(None)
