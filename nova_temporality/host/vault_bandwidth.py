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

"""How fast the disk of a vault is, as it was measured.

The note lies in the vault: it goes with the disk, and survives as the vault
does.
"""

import dataclasses
import datetime
import json

from nova_temporality.host import durable
from nova_temporality.host import paths


@dataclasses.dataclass(frozen=True)
class Bandwidth:
    """What was measured.

    :ivar path: of the vault, at that time
    :ivar mib_per_s: MiB that its disk took in a second
    :ivar measured_at: when, ISO 8601
    :ivar compared_mib_per_s: MiB of memory that were compared in a second with
                              what the vault has of it; None if an earlier
                              release measured
    """

    path: str
    mib_per_s: float
    measured_at: str
    compared_mib_per_s: float | None = None


def note(vault: str, mib_per_s: float,
         compared_mib_per_s: float | None = None) -> Bandwidth:
    """Note, durably, what was measured just now.

    :raises OSError: that is not possible
    """
    measured = Bandwidth(
        vault, round(mib_per_s, 1),
        datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        compared_mib_per_s and round(compared_mib_per_s, 1))
    durable.write(paths.vault_bandwidth(vault),
                  json.dumps(dataclasses.asdict(measured)).encode())
    return measured


def read(vault: str) -> Bandwidth | None:
    """What was noted; None if nothing was, or of another place."""
    try:
        with open(paths.vault_bandwidth(vault), encoding='utf-8') as stored:
            fields = json.load(stored)
        found = Bandwidth(str(fields['path']), float(fields['mib_per_s']),
                          str(fields['measured_at']),
                          _positive(fields.get('compared_mib_per_s')))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # A copy of a vault may lie on another disk. Neither of a NaN.
    if found.path != vault or not 0 < found.mib_per_s < float('inf'):
        return None
    return found


def _positive(number: float | None) -> float | None:
    return number if number is not None and 0 < float(number) < float(
        'inf') else None
