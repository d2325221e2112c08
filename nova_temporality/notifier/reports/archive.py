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

"""The reports of all outages, a file each, in the directory of the pool.

The pool's ring remembers the outcomes of the engine, those of drills and
suspends among them, which push older ones out. Power may be gone before a file
is written, too; then the next notifier makes it of what is in the ring.
"""

from collections import abc
import os

from oslo_log import log as logging

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import outage
from nova_temporality.vpm import outcomes

LOG = logging.getLogger(__name__)

# Reports that are kept.
_MOST = 100
_SUFFIX = '.json'


class Archive:
    """The reports in one directory.

    :param directory: made with the first report
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def ids(self) -> list[str]:
        """Return the ids of all outages, the earliest first."""
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        return sorted(name.removesuffix(_SUFFIX) for name in names
                      if name.endswith(_SUFFIX))

    def load(self, outage_id: str) -> outage.OutageReport | None:
        """Return the report of an outage, None if there is no (sound) one."""
        if outage_id not in self.ids():
            return None
        return outage.load(self._path(outage_id))

    def store(self, report: outage.OutageReport) -> None:
        """Write a report, durably; drop the oldest ones.

        :raises: OSError
        """
        os.makedirs(self._directory, 0o750, exist_ok=True)
        outage.store(report, self._path(report['id']))
        for outage_id in self.ids()[:-_MOST]:
            os.unlink(self._path(outage_id))
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def complete(self, found: abc.Iterable[outcomes.Outcome]) -> None:
        """Write the reports that are missing, of what is in the pool's ring.

        :param found: what is in the ring, the oldest first
        """
        reports = [report for report in map(self.load, self.ids()) if report]
        known = {event for report in reports for event in report['events']}
        for report in reports_of(filter(is_outage, found)):
            if report['id'] in known:
                continue
            LOG.warning('The report of an outage is made of what the pool '
                        'remembers: %s', outage.summary(report))
            self.store(report)

    def _path(self, outage_id: str) -> str:
        return os.path.join(self._directory, outage_id + _SUFFIX)


def is_outage(outcome: outcomes.Outcome) -> bool:
    """Whether an outcome is one of an outage, not of a drill or the like."""
    return is_outage_by(outcome.raised_by)


def is_outage_by(raised_by: abc.Collection[str]) -> bool:
    """Whether it is an outage, by the names of those who raised it."""
    return not set(raised_by) <= power.NO_OUTAGE


def reports_of(found: abc.Iterable[outcomes.Outcome]
               ) -> abc.Iterator[outage.OutageReport]:
    """Make reports of outcomes, one for each event."""
    events: dict[int, list[outcomes.Outcome]] = {}
    for outcome in found:
        events.setdefault(outcome.wall_ns, []).append(outcome)
    for wall_ns, outs in events.items():
        event = power.PowerEvent('unknown', wall_ns, outs[0].signal_ns,
                                 outs[0].raised_by)
        pvm_reports = {outcome.name: _pvm_report(outcome, event)
                       for outcome in outs}
        yield outage.report(
            event, pvm_reports.values(), max(
                [event.monotonic_ns, *(out.fixated_ns for out in outs)]))


def _pvm_report(outcome: outcomes.Outcome,
                event: power.PowerEvent) -> attempts.PvmReport:
    attempt = attempts.Attempt(outcome.name, event, 0)
    attempt.settle_as(outcome)
    return attempt.wait_report()
