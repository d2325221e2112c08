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

"""Events, published to other parts of the process; they delay nobody."""

from collections import abc
import queue
import threading
from typing import Any

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

# A pVM's condition changed: {"name", "state", "reason", "remedy"}.
PVM_ARMED = 'pvm.armed'
PVM_UNARMED = 'pvm.unarmed'
# All pVMs were fixated or given up: the report, see the module outage.
OUTAGE_FIXATED = 'outage.fixated'
# An outage was called off: the report.
OUTAGE_CALLED_OFF = 'outage.called_off'
# All servers were written to the vault, or have failed: the report.
OUTAGE_VAULTED = 'outage.vaulted'
# A drill has ended: its report, see drill.Drills.run().
DRILL_ENDED = 'drill.ended'

# Takes the kind of an event and its data.
Publish = abc.Callable[[str, abc.Mapping[str, Any]], object]


class Publisher:
    """Hands events on, in a thread of its own."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[
            tuple[str, abc.Mapping[str, Any]]] = queue.SimpleQueue()
        self._subscribers: list[Publish] = []
        threading.Thread(target=self._work, daemon=True,
                         name='events').start()

    def subscribe(self, function: Publish) -> None:
        """Have function(kind, data) called for every event from now on."""
        self._subscribers.append(function)

    def publish(self, kind: str, data: abc.Mapping[str, Any]) -> None:
        """Publish an event; returns at once."""
        self._queue.put((kind, data))

    def _work(self) -> None:
        while True:
            kind, data = self._queue.get()
            for function in self._subscribers:
                try:
                    function(kind, data)
                except Exception:
                    LOG.exception('The event %s could not be handed on', kind)
