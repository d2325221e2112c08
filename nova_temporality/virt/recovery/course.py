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

"""The course that one try of a recovery takes, for the outage's report.

Nothing depends on it, and no recovery waits for it or fails because of it.
"""

from __future__ import annotations

import dataclasses
import time

from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality.host import clock
from nova_temporality.host import recovery_log
from nova_temporality.privsep import recoveries

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_BOOT_ID = '/proc/sys/kernel/random/boot_id'


def now_ns() -> int:
    """Nanoseconds since the host's kernel started."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Course:
    """What one try of a recovery came to, and when.

    :ivar display_name: of the server
    :ivar event_ns: CLOCK_REALTIME of the event by which its state was made
    :ivar result: one of recovery_log; None if there is nothing to tell
    :ivar reason: why it is not resumed, in words
    """

    def __init__(self) -> None:
        self.display_name = ''
        self.event_ns = 0
        self.result: str | None = None
        self.reason = ''
        self._fault = ''
        self._instants: dict[str, int] = {}

    def reached(self, step: str, instant_ns: int | None = None) -> None:
        """Note that it got so far.

        :param step: one of recovery_log.STEPS
        :param instant_ns: of now_ns(); None for this instant
        """
        self._instants[step] = now_ns() if instant_ns is None else instant_ns

    def ended(self, result: str, exc: Exception, reason: str) -> None:
        """Note that the server is not resumed.

        :param result: what became of it instead
        :param exc: why
        :param reason: the same in words
        """
        self.result = result
        self._fault, self.reason = type(exc).__name__, reason

    def write(self, uuid: str) -> None:
        """Write it down, durably; if that is not possible, it is logged.

        :param uuid: of the server
        """
        self.reached(recovery_log.ENDED)
        try:
            entry = recovery_log.Entry(
                name=uuid, display_name=self.display_name,
                result=self.result or '', fault=self._fault,
                reason=self.reason, event_ns=self.event_ns,
                boot_id=_boot_id(),
                host_started_ns=time.time_ns() - now_ns(),
                clock_is_right=clock.is_synchronised(),
                instants=self._instants)
            recoveries.record(CONF.temporality.pool_path,
                              dataclasses.asdict(entry))
        except Exception as exc:
            LOG.warning('The report of the outage cannot tell what became of '
                        'server %s: %s', uuid, exc)


def _boot_id() -> str:
    with open(_BOOT_ID, encoding='ascii') as stream:
        return stream.read().strip()
