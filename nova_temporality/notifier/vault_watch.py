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

"""How the vault is, without waiting for its disk."""

from collections import abc
import dataclasses
import threading
from typing import Any

from nova_temporality.vault import forecast
from nova_temporality import vpm

# Seconds in which a disk answers; who asks has more patience.
_PATIENCE = 1.0

_SILENT = forecast.Look(None, 'its disk does not answer')


class VaultWatch:
    """Looks at the vault of a pool when somebody asks.

    Each look has a thread of its own, and there is one at a time.

    :param pool: that may have a vault
    :param hold_up: [temporality] vault_hold_up, seconds
    :param bounded: returns what need not be written as a whole
    """

    def __init__(self, pool: vpm.Pool, hold_up: int,
                 bounded: abc.Callable[[], forecast.Bounded] =
                 forecast.Bounded) -> None:
        self._pool = pool
        self._info = pool.info()
        self._hold_up = hold_up
        self._bounded = bounded
        self._looking: threading.Thread | None = None
        self._lock = threading.Lock()
        self._found = _SILENT

    def status(self) -> dict[str, Any] | None:
        """Return the forecast, as plain data.

        :returns: None without a vault, and while the pool cannot be read
        """
        if not self._info.vault:
            return None
        bounded = self._bounded()
        try:
            size = forecast.sizes(self._pool, bounded)
        except vpm.VpmError:
            return None
        return dataclasses.asdict(forecast.of(
            self._info.vault, self._hold_up, size, self.look(),
            bounded))

    def look(self) -> forecast.Look:
        """Look at the vault's disk; it may not answer."""
        with self._lock:
            if self._looking is None or not self._looking.is_alive():
                self._looking = threading.Thread(
                    target=self._run, daemon=True, name='vault-look')
                self._looking.start()
            looking = self._looking
        looking.join(_PATIENCE)
        return _SILENT if looking.is_alive() else self._found

    def _run(self) -> None:
        self._found = forecast.look(self._info)
