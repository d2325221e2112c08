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

import collections
from collections import abc
import threading
import time

from nova.compute import task_states
from nova import context as nova_context
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.host import recovery_log
from nova_temporality.privsep import runs
from nova_temporality.virt.recovery import course
from nova_temporality.virt.recovery import manager
from nova_temporality.virt.recovery import ownership
from nova_temporality.virt.recovery import refusal
from nova_temporality.virt.recovery import service
from nova_temporality.virt.recovery import sweep
from nova_temporality.virt.recovery import volumes

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# States that are loaded at a time: each one keeps the privileged helper busy.
# For 200 servers a host as well: doc/source/evaluation-region.rst.
_PARALLEL = 8

# Seconds between two looks for requests of operators.
_REQUEST_INTERVAL = 1.0

# Seconds until the next try; they double up to the second number. What shorter
# ones, and chance, would do is in doc/source/evaluation-region.rst.
_DELAY_MIN = 5.0
_DELAY_MAX = 300.0

# Failures of one server that are written down; nova-compute logs all of them.
_FAILURES_WRITTEN = 20

# In these Nova had perhaps asked the guest to freeze its file systems.
_MAKING_AN_IMAGE = (
    task_states.IMAGE_SNAPSHOT_PENDING, task_states.IMAGE_SNAPSHOT,
    task_states.IMAGE_PENDING_UPLOAD, task_states.IMAGE_UPLOADING,
    task_states.IMAGE_BACKUP)

# What a server is about that waits for its recovery, and nothing else.
_IDLE = (None, task_states.SUSPENDING, task_states.RESUMING,
         task_states.PAUSING, task_states.UNPAUSING)


class Keeper:
    """All recoveries of this host.

    :ivar service: whether nova-compute's service counts as up
    :ivar connections: volumes that were connected for recoveries
    :ivar booting: UUIDs of servers that are booted afresh, until Nova knows
    """

    def __init__(self, driver: libvirt_driver.LibvirtDriver) -> None:
        """Make ready.

        :param driver: TemporalityDriver
        """
        self._driver = driver
        self._lock = threading.Lock()
        self._pending: dict[str, threading.Event] = {}
        self._making_images: set[str] = set()
        self._never = threading.Event()
        self._clock_deadline = 0.0
        self._courses: dict[str, course.Course] = {}
        self._failures: collections.Counter[str] = collections.Counter()
        # course.now_ns() when libvirt had answered, and when this counted as
        # up.
        self._libvirt_ns = self._up_ns = 0
        self.service = service.Service(driver.virtapi)
        self.connections = volumes.Connections(driver)
        self._slots = {kind: threading.BoundedSemaphore(_PARALLEL)
                       for kind in (False, True)}
        self.booting: set[str] = set()
        self._sweep = sweep.Sweep(driver)

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
        self._libvirt_ns = self._libvirt_ns or course.now_ns()
        self._clock_deadline = time.monotonic() + CONF.temporality.clock_wait
        live = [instance for instance in instances
                if manager.is_live(instance)]
        for instance in live:
            if instance.task_state in _MAKING_AN_IMAGE:
                # Nova clears that at its start.
                self._making_images.add(instance.uuid)
            try:
                manager.look(self._driver, instance)
            except Exception as exc:
                LOG.warning('Its machine cannot be looked at yet: %s', exc,
                            instance=instance)
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

    def slot(self, has_network_disks: bool) -> threading.BoundedSemaphore:
        """What is held while a QEMU is started and loads its state.

        :param has_network_disks: whether it reaches disks by itself; it may
                                  wait for them, and others must not wait then
        """
        return self._slots[has_network_disks]

    def is_pending(self, uuid: str) -> bool:
        """Whether a pVM is still to be recovered."""
        with self._lock:
            return uuid in self._pending

    def course_of(self, uuid: str) -> course.Course:
        """What is to be told of the try that is under way."""
        return self._courses.get(uuid) or course.Course()

    def was_making_an_image(self, uuid: str) -> bool:
        """Whether Nova was making an image of a server at its last end."""
        return uuid in self._making_images

    def _watch(self) -> None:
        run_dir = CONF.temporality.run_dir
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
            self._never.wait(_REQUEST_INTERVAL)

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

    def _retry(self, uuid: str, wake: threading.Event) -> None:
        delay = _DELAY_MIN
        said: str | None = None
        give_up = CONF.temporality.recovery_retry
        deadline = time.monotonic() + give_up if give_up else None
        _note_pending(uuid, '')
        while True:
            reason = self._try(uuid, said)
            if reason is None:
                _note_pending(uuid, None)
                return
            if reason != said:
                said = reason
                _note_pending(uuid, reason)
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
        told = self._courses[uuid] = course.Course()
        try:
            return self._try_told(uuid, said, told)
        finally:
            del self._courses[uuid]
            if told.result and told.reason != said and (
                    self._may_write(uuid, told)):
                told.write(uuid)

    def _may_write(self, uuid: str, told: course.Course) -> bool:
        """Whether there is room left for what is to be told.

        Reasons that change with every try must not push all else out.
        """
        if told.result != recovery_log.FAILED:
            return True
        self._failures[uuid] += 1
        return self._failures[uuid] <= _FAILURES_WRITTEN

    def _try_told(self, uuid: str, said: str | None,
                  told: course.Course) -> str | None:
        # Contexts are not made to be shared by threads.
        context = nova_context.get_admin_context()
        try:
            self.service.wait_up(context)
            self._up_ns = self._up_ns or course.now_ns()
            told.reached(recovery_log.LIBVIRT, self._libvirt_ns)
            told.reached(recovery_log.UP, self._up_ns)
            manager.recover(self._driver, context, uuid,
                            self._clock_deadline)
            self._making_images.discard(uuid)
            self.booting.discard(uuid)
            self.connections.leave(uuid)
            self._sweep.add(uuid)
        except exception.Gone as exc:
            LOG.warning('Server %s: %s', uuid, exc.format_message())
            told.ended(recovery_log.GONE, exc, exc.format_message())
            self.booting.discard(uuid)
            self.connections.undo(context, uuid)
            self._sweep.add(uuid)
        except exception.NotOwner as exc:
            # Its QEMU may have survived nova-compute.
            self._sweep.add(uuid)
            if exc.format_message() != said:
                refusal.tell(context, uuid, exc)
            told.ended(recovery_log.FAILED, exc, exc.format_message())
            return exc.format_message()
        except Exception as exc:
            LOG.exception('Recovery of server %s failed', uuid)
            reason = self._failed(context, uuid, exc)
            told.ended(recovery_log.FAILED, exc, reason)
            return reason
        return None

    def _failed(self, context: nova_context.RequestContext, uuid: str,
                exc: Exception) -> str:
        try:
            instance = ownership.confirm(context, uuid, self.service)
            server = self._driver.servers.of(instance)
            # A request of its user goes on with it, perhaps this moment.
            if server.lock.acquire(blocking=False):
                try:
                    if not server.is_running() and (
                            instance.task_state in _IDLE or
                            uuid in self.booting):
                        refusal.set_error(context, instance, exc)
                finally:
                    server.lock.release()
        except Exception as why:
            LOG.warning('Nova is not told that the recovery of server %s '
                        'failed: %s', uuid, why)
        return str(exc) or type(exc).__name__


def _note_pending(uuid: str, why: str | None) -> None:
    """Have "temporality health" show a server that waits; nothing else."""
    try:
        runs.set_pending(CONF.temporality.run_dir, uuid, why)
    except Exception as exc:
        LOG.warning('"temporality health" cannot show whether server %s is '
                    'recovered: %s', uuid, exc)
