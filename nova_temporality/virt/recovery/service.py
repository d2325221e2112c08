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

"""Whether nova-compute's service counts as up, so that nobody evacuates.

Nova's API compares the last report of the service with its own clock. The
clock of a host that has just booted may be wrong. So what counts here is
between which two looks a report was made, by a clock that only counts seconds:
it is as old as the look before, which did not see it yet.

Nova makes its first report five seconds after its service has begun to listen.
It is made here as soon as that listens, and not before: nova-scheduler sends
servers to a host that counts as up.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from nova import baserpc
from nova.compute import rpcapi
import nova.conf
from nova import context as nova_context
from nova import objects
from nova import servicegroup
from oslo_log import log as logging

from nova_temporality import exception

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Seconds between two looks.
_POLL = 1.0

# Seconds for nova-compute to answer itself.
_ANSWER = 1.0

# Servers of a host that ask Nova at a time whose they are. With more, answers
# in a large region are so late that the last report is too old by then, and
# tries fail: doc/source/evaluation-region.rst.
_ASKING = 2

# Seconds that an evacuation needs from the question whether the service is
# down until Nova has a record of it.
_SETTLE = 2.0


class Service:
    """nova-compute's service, as Nova's API sees it.

    :param virtapi: of the driver, by which it knows nova-compute
    :ivar turn: to be held while Nova is asked whose a server is; nothing else
                may be waited for with it
    """

    def __init__(self, virtapi: Any) -> None:
        self._virtapi = virtapi
        self.turn = threading.BoundedSemaphore(_ASKING)
        self._lock = threading.Lock()
        self._api = servicegroup.API()
        # Of what follows, which any thread that looks may change.
        self._report_lock = threading.Lock()
        self._last: object = None
        # time.monotonic() when the latest answered question was asked
        self._asked: float | None = None
        # time.monotonic() after which the last report was made
        self._made: float | None = None

    def note_last_report(self) -> None:
        """Remember the last report of nova-compute's run before."""
        with self._lock:
            self._look(nova_context.get_admin_context())

    def wait_up(self, context: nova_context.RequestContext) -> None:
        """Wait until this run of nova-compute counts as up.

        That never comes true while the host is forced down. Who asks for its
        servers is told so, so that is not waited for.
        """
        with self._lock:
            was_down = is_reported = False
            while not self._is_up(context):
                was_down = True
                if not is_reported and self._report_early(context):
                    # Once; from then on Nova does it.
                    is_reported = True
                else:
                    time.sleep(_POLL)
            if was_down:
                time.sleep(_SETTLE)

    def check(self, context: nova_context.RequestContext) -> None:
        """Make sure that nobody can ask for an evacuation just now.

        If the last look was long ago, the next report is waited for.

        :raises NotOwner: somebody can
        :raises Exception: Nova does not say
        """
        service = self._ask(context)
        was_fresh = self._is_fresh()
        for _look in range(CONF.report_interval + 2):
            if service.forced_down or self._is_fresh():
                break
            time.sleep(_POLL)
            service = self._ask(context)
        if service.forced_down:
            raise exception.NotOwner(
                reason='this host is forced down; once it is fenced no more, '
                "set its compute service up ('openstack compute service set "
                "--up')")
        self.check_fresh()
        if not was_fresh:
            time.sleep(_SETTLE)

    def check_fresh(self) -> None:
        """Make sure, without a question, that check() holds still.

        :raises NotOwner: it does not, or nobody can tell
        """
        if not self._is_fresh():
            raise exception.NotOwner(
                reason='the compute service of this host counts as down, so '
                'that it may be evacuated at any moment')

    def _is_up(self, context: nova_context.RequestContext) -> bool:
        service = self._look(context)
        return service is not None and (
            service.forced_down or self._is_fresh())

    def _report_early(self, context: nova_context.RequestContext) -> bool:
        """Report nova-compute as up if it listens; return whether that was.

        By Nova's own object, whose number of reports has to grow.
        """
        compute = getattr(self._virtapi, '_compute', None)
        record = getattr(compute, 'service_ref', None)
        if record is None or CONF.servicegroup_driver != 'db':
            return False
        try:
            baserpc.BaseAPI(rpcapi.RPC_TOPIC).client.prepare(
                server=CONF.host, timeout=_ANSWER).call(
                    context, 'ping', arg=CONF.host)
            record.report_count += 1
            record.save()
        except Exception as exc:
            LOG.debug('nova-compute is not reported as up yet: %s', exc)
            return False
        return True

    def _is_fresh(self) -> bool:
        # Half of the time, for what happens between this and the run.
        with self._report_lock:
            return self._made is not None and (
                time.monotonic() - self._made < CONF.service_down_time / 2)

    def _look(self, context: nova_context.RequestContext) -> (
            objects.Service | None):
        try:
            return self._ask(context)
        except Exception as exc:
            LOG.debug('Nova does not say whether this host is up: %s', exc)
            return None

    def _ask(self, context: nova_context.RequestContext) -> objects.Service:
        asked = time.monotonic()
        service = objects.Service.get_by_compute_host(context, CONF.host)
        report = (service.last_seen_up if CONF.servicegroup_driver == 'db'
                  else self._api.get_updated_time(service))
        with self._report_lock:
            if self._asked is not None and asked < self._asked:
                # A later question was answered before.
                return service
            # The first one may be of an earlier run.
            if self._asked is not None and report != self._last:
                self._made = self._asked
            self._last = report
            self._asked = asked
        return service
