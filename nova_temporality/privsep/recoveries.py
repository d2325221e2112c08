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

"""What became of servers after an outage, written down for reports."""

from typing import Any

from nova_temporality.host import recovery_log
from nova_temporality import privsep


@privsep.entrypoint
def record(pool_path: str, entry: dict[str, Any]) -> None:
    """Write an entry of :mod:`nova_temporality.host.recovery_log`.

    :param entry: as plain data
    :raises OSError: that is not possible
    """
    recovery_log.append(pool_path, recovery_log.Entry(**entry))
