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

"""What a pVM's vCPUs could do, noted in the pool before it is armed.

See nova_temporality.qemu.cpu for what it is compared with. The note counts
for the QEMU that runs the pVM, and for all states that it makes.
"""

from collections import abc

from nova_temporality.host import durable
from nova_temporality.host import paths
from nova_temporality.host import state_notes
from nova_temporality import vpm

# Epochs do not matter here.
_ANY_EPOCH = 0


def take(pool_path: str, region: vpm.RegionInfo,
         words: abc.Mapping[str, int]) -> None:
    """Note what they can do, durably, unless that is noted already.

    :param words: see nova_temporality.qemu.cpu.words(); if there are none,
                  nothing is compared
    :raises OSError: the note cannot be written
    """
    if not words:
        forget(pool_path, region.name)
        return
    if read(pool_path, region) == words:
        return
    state_notes.write(paths.cpu_note(pool_path, region.name), region,
                      _ANY_EPOCH, {'words': dict(words)})


def forget(pool_path: str, name: str) -> None:
    """Remove a pVM's note; harmless when there is none."""
    durable.remove(paths.cpu_note(pool_path, name))


def read(pool_path: str, region: vpm.RegionInfo) -> dict[str, int]:
    """What was noted; nothing if there is no note of this region."""
    return state_notes.read(
        paths.cpu_note(pool_path, region.name), region, _ANY_EPOCH,
        lambda note: {str(place): int(word)
                      for place, word in note['words'].items()}) or {}
