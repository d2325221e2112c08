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

"""How a pVM is, in words."""

import dataclasses

# Conditions of a pVM.
OFF = 'off'
NOT_ARMED = 'not armed'
ARMED = 'armed'
FIXATED = 'fixated'
STOPPED = 'stopped'

# Run states in which there is nothing to save, and why.
NOTHING_TO_SAVE = {
    'inmigrate': 'it waits for its state or, migrated live, for its memory; '
                 'an earlier state stays valid',
    'prelaunch': 'its vCPUs have not run yet',
    'shutdown': 'the guest has powered itself off',
}


@dataclasses.dataclass(frozen=True)
class Condition:
    """How a pVM is, in words."""

    state: str
    reason: str = None
    remedy: str = None
    # How its state would be written, while armed: see the module route.
    route: str = None


class NotArmed(Exception):
    """Carries a Condition; str() is its reason."""

    def __init__(self, *args):
        self.condition = Condition(*args)
        super().__init__(self.condition.reason)
