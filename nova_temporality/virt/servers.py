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
"""The pVMs that nova-compute has on this host."""

from __future__ import annotations

import threading

from nova import objects
from nova.virt.libvirt import host as libvirt_host

from nova_temporality.virt import server


class Servers:
    """Hands out :class:`server.PersistentServer`, with one lock per UUID."""

    def __init__(self, host: libvirt_host.Host) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._guards: dict[str, server.Guard] = {}
        self._known: set[str] = set()

    def of(self, instance: objects.Instance) -> server.PersistentServer:
        """The pVM that an instance is."""
        with self._lock:
            guard = self._guards.setdefault(instance.uuid, server.Guard())
        return server.PersistentServer(self._host, instance, guard)

    def add(self, uuid: str) -> None:
        """Note that a server of this host is a pVM."""
        with self._lock:
            self._known.add(uuid)

    def remove(self, uuid: str) -> None:
        """Note that it is one no more, or not on this host."""
        with self._lock:
            self._known.discard(uuid)

    def record_again(self) -> None:
        """Write the records of machines that could not be written."""
        with self._lock:
            guards = list(self._guards.items())
        for uuid, guard in guards:
            one = server.PersistentServer(self._host,
                                          objects.Instance(uuid=uuid), guard)
            if one.is_unrecorded and one.lock.acquire(blocking=False):
                try:
                    if one.is_active():
                        one.try_to_record()
                finally:
                    one.lock.release()

    def knows(self, uuid: str) -> bool:
        """Whether a server is noted as a pVM of this host."""
        with self._lock:
            return uuid in self._known
