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

"""Evacuations that were asked for before the service counted as up.

For a while after a server was recovered, or was found to be evacuated, this
host's copy is ended if there is an evacuation, or was one: somebody decided on
it.
"""

from __future__ import annotations

import threading
import time

import nova.conf
from nova import context as nova_context
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_temporality.virt.recovery import ownership
from nova_temporality.virt import server as pvm_server

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Seconds for which a server is looked after, and between two looks.
_DURATION = 60.0
_INTERVAL = 1.0


class Sweep:
    """Looks after all servers of this host with one question to Nova."""

    def __init__(self, driver: libvirt_driver.LibvirtDriver) -> None:
        """Make ready.

        :param driver: TemporalityDriver
        """
        self._driver = driver
        self._lock = threading.Lock()
        # until when, of time.monotonic()
        self._deadlines: dict[str, float] = {}
        self._being_ended: set[str] = set()
        self._runs = False

    def add(self, uuid: str) -> None:
        """Look after a server for a while, from now on."""
        with self._lock:
            self._deadlines[uuid] = time.monotonic() + _DURATION
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name='sweep-evacuations',
                                 daemon=True).start()

    def _run(self) -> None:
        context = nova_context.get_admin_context()
        while True:
            with self._lock:
                looked_after = set(self._deadlines)
            try:
                evacuated = ownership.evacuated(context, looked_after)
            except Exception as exc:
                LOG.debug('Nova does not say which servers are evacuated: %s',
                          exc)
                # It is not over before Nova has answered.
                evacuated, now = set(), 0.0
            else:
                now = time.monotonic()
            with self._lock:
                mine = evacuated.intersection(
                    self._deadlines) - self._being_ended
                self._being_ended |= mine
                self._deadlines = {
                    uuid: deadline
                    for uuid, deadline in self._deadlines.items()
                    if deadline > now}
            for uuid in mine:
                # One that is worked on keeps its lock; the others run twice
                # meanwhile.
                threading.Thread(target=self._end, args=(uuid,), daemon=True,
                                 name='end-' + uuid).start()
            with self._lock:
                if not self._deadlines:
                    self._runs = False
                    return
            time.sleep(_INTERVAL)

    def _end(self, uuid: str) -> None:
        server = self._driver.servers.of(objects.Instance(uuid=uuid))
        try:
            if server.is_active():
                with server.lock:
                    self._end_locked(server)
        except Exception:
            LOG.exception('Cannot end the QEMU of server %s', uuid)
        finally:
            with self._lock:
                self._being_ended.discard(uuid)

    @staticmethod
    def _end_locked(server: pvm_server.PersistentServer) -> None:
        """End it if it is still evacuated: its lock may have taken long.

        An evacuation that failed has made it this host's again.
        """
        context = nova_context.get_admin_context()
        if ownership.evacuated(context, {server.uuid}):
            LOG.error('Server %s is evacuated to another host. Its QEMU here '
                      'is ended', server.uuid)
            server.guest().poweroff()
