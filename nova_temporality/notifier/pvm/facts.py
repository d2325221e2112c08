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

"""What has to be known of a QEMU for as long as its pVM is armed."""

from typing import Any
from typing import NamedTuple

# In the order of Facts.
COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('query-status', {}),
    ('query-migrate', {}),
    ('query-block', {}),
    ('human-monitor-command', {'command-line': 'info ramblock'}),
)


class Facts(NamedTuple):
    """What QEMU says to these commands; as it is not trusted, anything.

    :ivar status: its run state among others
    :ivar migration: what blocks a save among others
    :ivar disks: its disks
    :ivar memory: its blocks of memory
    """

    status: Any
    migration: Any
    disks: Any
    memory: Any

    @property
    def runstate(self) -> Any:
        """Its run state, e.g. "running"."""
        return self.status['status']
