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

"""The outage that is on, if one is, and the report of the last one."""

from collections import abc
import threading
import time

from oslo_log import log as logging

from nova_temporality.notifier import power
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage
from nova_temporality.notifier.reports import systemd
from nova_temporality.vault import writing

LOG = logging.getLogger(__name__)


class CurrentOutage:
    """The outage that is on, if one is.

    All methods but reason() are to be called with the lock held.

    :param path: where the report of the last outage since the host was
                 booted is stored
    :param reports: where the reports of all outages are kept
    :ivar lock: one event at a time; a later one finds the work done
    :ivar raised_by: names of who raised the outage that is on; empty when
                     none is
    :ivar report: of the last outage, or None
    """

    def __init__(self, path: str, reports: archive.Archive) -> None:
        self.lock = threading.Lock()
        self.raised_by: tuple[str, ...] = ()
        self.report: outage.OutageReport | None = outage.load(path)
        self._path = path
        self._archive = reports

    def reason(self) -> str | None:
        """Say who raised the outage that is on; None when none is."""
        if self.raised_by:
            return 'an outage is on (raised by %s)' % ', '.join(
                self.raised_by)
        return None

    def restore(self, raised_by: abc.Collection[str]) -> None:
        """Take over an outage that began before this process.

        :param raised_by: who had pVMs stopped which stand still
        """
        # pVMs that stand still for these are resumed by themselves.
        names = set(raised_by) - power.NO_OUTAGE
        if names and self.report and self._is_reported():
            names.update(self.report['event']['raised_by'])
        self.raised_by = tuple(sorted(names))

    def extend(self, event: power.PowerEvent,
               report: outage.OutageReport) -> outage.OutageReport:
        """An event is part of the outage from now on; it may be the first.

        :param report: of the event
        :returns: the report of the whole outage, to be stored
        """
        if self.raised_by and self.report and self._is_reported():
            report = outage.merge(self.report, report)
        self.raised_by = tuple(sorted({*self.raised_by, *event.raised_by}))
        return report

    def call_off(self) -> outage.OutageReport | None:
        """End the outage; return its report unless that was ended before."""
        self.raised_by = ()
        if self.report is None or not self._is_reported():
            return None
        self.store(outage.call_off(self.report, time.time_ns()))
        return self.report

    def vaulted(self, written: writing.Written) -> None:
        """Note what became of a server in the vault, if it still matters."""
        if self.raised_by and self.report and self._is_reported():
            self.store(outage.vaulted(self.report, written, time.time_ns()))

    def store(self, report: outage.OutageReport) -> None:
        """Make a report that of the last outage."""
        for store in (self._archive.store,
                      lambda report: outage.store(report, self._path)):
            try:
                store(report)
            except OSError as e:
                LOG.error('Cannot write the report of the outage %s: %s',
                          report['id'], e)
        self.report = report
        systemd.notify('STATUS=' + outage.summary(report))

    def _is_reported(self) -> bool:
        """Whether the report is about an outage that was not called off."""
        return self.report is not None and not self.report['called_off']
