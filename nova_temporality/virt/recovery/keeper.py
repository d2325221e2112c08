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

"""Recovers the pVMs of this host, and does not give up.

After an outage of a whole site, storage, network and control plane come back
in any order. So each server is recovered by a thread of its own, which tries
again until it is done. It begins when nova-compute's service counts as up:
from then on Nova refuses to evacuate servers of this host.
"""

from __future__ import annotations

from collections import abc
import threading
import time

import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.privsep import runs
from nova_temporality.virt.recovery import manager
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt.recovery import refusal
from nova_temporality.virt.recovery import service

CONF = nova.conf.CONF
PCONF = conf.CONF
LOG = logging.getLogger(__name__)

# Seconds for which evacuations are looked for after a server ran again, and
# between two looks.
_SWEEP = 60.0
_SWEEP_INTERVAL = 1.0

# Seconds between two looks for requests of operators.
_REQUESTS_INTERVAL = 1.0

# Seconds until the next try; they double up to the second number.
_DELAY_MIN = 5.0
_DELAY_MAX = 300.0


class Keeper:
    """All recoveries of this host.

    :ivar service: whether nova-compute's service counts as up
    """

    def __init__(self, driver: libvirt_driver.LibvirtDriver) -> None:
        """Make ready.

        :param driver: TemporalityDriver
        """
        self._driver = driver
        self._lock = threading.Lock()
        self._pending: dict[str, threading.Event] = {}
        self.service = service.Service()
        self._clock_deadline = 0.0
        # Of servers when nova-compute started, by UUID. Nova clears some.
        self._found_tasks: dict[str, str | None] = {}

    def watch(self) -> None:
        """Meet requests of "temporality recover" from now on.

        To be called before this run of nova-compute reports itself as up.
        """
        self.service.note_last_report()
        threading.Thread(target=self._watch, name='recovery-requests',
                         daemon=True).start()

    def start(self, instances: abc.Iterable[objects.Instance]) -> None:
        """Recover pVMs that nova-compute finds when it starts.

        :param instances: pVMs that Nova has on this host
        """
        self._clock_deadline = time.monotonic() + PCONF.temporality.clock_wait
        live = [instance for instance in instances
                if manager.is_live(instance)]
        for instance in live:
            self._found_tasks[instance.uuid] = instance.task_state
            manager.mend_record(self._driver, instance)
            self.add(instance.uuid)

    def add(self, uuid: str) -> None:
        """Recover a pVM, now; harmless if that is under way."""
        with self._lock:
            known = self._pending.get(uuid)
            if known:
                known.set()
                return
            wake = self._pending[uuid] = threading.Event()
        threading.Thread(target=self._keep, args=(uuid, wake),
                         name='recover-' + uuid, daemon=True).start()

    def is_pending(self, uuid: str) -> bool:
        """Whether a pVM is still to be recovered."""
        with self._lock:
            return uuid in self._pending

    def _watch(self) -> None:
        run_dir = PCONF.temporality.run_dir
        said = ''
        while True:
            try:
                self._meet_requests(run_dir)
                said = ''
            except Exception as exc:
                if str(exc) != said:
                    said = str(exc)
                    LOG.error('Cannot look for requests of "temporality '
                              'recover" in %s: %s', run_dir, exc)
            time.sleep(_REQUESTS_INTERVAL)

    def _meet_requests(self, run_dir: str) -> None:
        for uuid in notes.recovery_requests(run_dir):
            runs.take_recovery_request(run_dir, uuid)
            LOG.info('An operator asks to recover server %s now', uuid)
            self.add(uuid)

    def _keep(self, uuid: str, wake: threading.Event) -> None:
        while True:
            try:
                self._retry(uuid, wake)
            finally:
                with self._lock:
                    asked_again = wake.is_set()
                    if not asked_again:
                        del self._pending[uuid]
            if not asked_again:
                break
            wake.clear()
        self._sweep(uuid)

    def _retry(self, uuid: str, wake: threading.Event) -> None:
        delay = _DELAY_MIN
        said: str | None = None
        give_up = PCONF.temporality.recovery_retry
        deadline = time.monotonic() + give_up if give_up else None
        while True:
            reason = self._try(uuid, said)
            if reason is None:
                return
            if reason != said:
                said = reason
                LOG.warning('Server %s is not recovered yet: %s', uuid,
                            reason)
            if deadline is not None and time.monotonic() >= deadline:
                LOG.error('Server %(uuid)s is not tried again: recovery_retry '
                          'is over. "temporality recover %(uuid)s" does',
                          {'uuid': uuid})
                return
            wake.wait(delay)
            wake.clear()
            delay = min(2 * delay, _DELAY_MAX)

    def _try(self, uuid: str, said: str | None = None) -> str | None:
        """Try once; return why it has to be tried again, or None.

        :param said: what the try before returned; that it may be another
                     host's is told once, not with each try
        """
        # Contexts are not made to be shared by threads.
        context = nova_context.get_admin_context()
        try:
            self.service.wait_up(context)
            manager.recover(self._driver, context, uuid, self._clock_deadline,
                            self._found_tasks.get(uuid))
            self._found_tasks.pop(uuid, None)
        except exception.Gone as exc:
            LOG.warning('Server %s: %s', uuid, exc.format_message())
        except exception.NotOwner as exc:
            if exc.format_message() != said:
                refusal.tell(context, uuid, exc)
            return exc.format_message()
        except Exception as exc:
            LOG.exception('Recovery of server %s failed', uuid)
            return self._failed(context, uuid, exc)
        return None

    def _failed(self, context: nova_context.RequestContext, uuid: str,
                exc: Exception) -> str:
        try:
            instance = ownership.confirm(context, uuid, self.service)
        except (exception.Gone, exception.NotOwner):
            # Not ours to write to, or nobody to take it.
            pass
        else:
            refusal.set_error(context, instance, exc)
        return str(exc) or type(exc).__name__

    def _sweep(self, uuid: str) -> None:
        """End a server's QEMU if it turns out to be evacuated all the same.

        The evacuation was asked for when the service was still down.
        """
        context = nova_context.get_admin_context()
        deadline = time.monotonic() + _SWEEP
        while time.monotonic() < deadline:
            time.sleep(_SWEEP_INTERVAL)
            try:
                instance = objects.Instance.get_by_uuid(
                    context, uuid, expected_attrs=['system_metadata'])
                evacuated = ownership.is_evacuated(context, uuid)
            except nova_exception.InstanceNotFound:
                return
            except Exception as exc:
                LOG.debug('Nova does not say whether server %s is evacuated: '
                          '%s', uuid, exc)
                continue
            server = self._driver.servers.of(instance)
            if (evacuated or instance.host != CONF.host) and (
                    server.is_active()):
                LOG.error('It was evacuated to another host while this one '
                          'started. Its QEMU here is ended now',
                          instance=instance)
                with server.lock:
                    server.guest().poweroff()
                return
