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

"""The records of outages: reports, the pool's ring, and what was recovered."""

from collections import abc
import datetime

from nova_temporality.host import recovery_log
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage
from nova_temporality.vpm import outcomes


class UnknownOutage(Exception):
    """There is no record of an outage."""


class Records:
    """All that is known of all outages of a host.

    :param reports: of outages
    :param ring: what the pool remembers, the oldest first
    :param entries: of recoveries, the oldest first
    """

    def __init__(self, reports: archive.Archive,
                 ring: abc.Sequence[outcomes.Outcome],
                 entries: abc.Sequence[recovery_log.Entry]) -> None:
        self._ring = ring
        self._entries = entries
        self._outages = [report for report in map(reports.load, reports.ids())
                         if report]
        known = {event for report in self._outages
                 for event in report['events']}
        # The ring may be ahead: power was gone before the file was there.
        of_ring = list(archive.reports_of(ring))
        self._outages += [
            report for report in of_ring
            if is_outage(report) and report['id'] not in known]
        self._outages.sort(key=began_ns)
        self._others = [report for report in of_ring if not is_outage(report)]

    def find(self, wanted: str | None) -> outage.OutageReport:
        """Return the report of an outage.

        :param wanted: its id, also that of a later event of it, or that of a
                       drill or the like; None for the last outage
        :raises UnknownOutage: there is none
        """
        if wanted is None:
            if not self._outages:
                raise UnknownOutage('no outage is known on this host')
            return self._outages[-1]
        for report in [*self._outages, *self._others]:
            if wanted in report['events']:
                return report
        known = ', '.join(report['id'] for report in self._outages[::-1])
        raise UnknownOutage('no outage %.60r is known; known are, the latest '
                            'first: %s' % (wanted, known or 'none'))

    def outcomes_of(self, report: outage.OutageReport
                    ) -> list[outcomes.Outcome]:
        """Return what the pool's ring has of an outage."""
        return [outcome for outcome in self._ring
                if outage.id_of(outcome.wall_ns) in report['events']]

    def recoveries_of(self, report: outage.OutageReport
                      ) -> dict[str, list[recovery_log.Entry]]:
        """Return what was written down of recoveries after an outage.

        A server without a proven state, or one that was not even looked at,
        has nothing that tells after which outage that was. It was after the
        latest one before that was not called off. But not if the host was
        booted again since, if the server's recovery had ended before, or if it
        did not stand still then: nova-compute also looks after servers that
        run when it is restarted.

        :returns: the oldest first, by the server's name
        """
        found: dict[str, list[recovery_log.Entry]] = {}
        boots: set[str] = set()
        for entry in self._entries:
            of_server = found.get(entry.name, [])
            if entry.event_ns:
                fits = outage.id_of(entry.event_ns) in report['events']
            else:
                fits = (_may_concern(report, entry.name) and
                        self._latest_before(entry) is report and
                        boots <= {entry.boot_id} and
                        all(one.result == recovery_log.FAILED
                            for one in of_server))
            if fits:
                boots.add(entry.boot_id)
                found[entry.name] = [*of_server, entry]
        return found

    def _latest_before(self, entry: recovery_log.Entry
                       ) -> outage.OutageReport | None:
        ended_ns = (entry.host_started_ns +
                    entry.instants.get(recovery_log.ENDED, 0))
        before = [report for report in self._outages
                  if not report['called_off'] and began_ns(report) <= ended_ns]
        return before[-1] if before else None


def _may_concern(report: outage.OutageReport, name: str) -> bool:
    """Whether a server may have to be recovered after an outage."""
    if not is_outage(report) or report['called_off']:
        return False
    for pvm in report['pvms']:
        if pvm['name'] == name:
            return bool(pvm['result'] != attempts.SKIPPED)
    # One that was made of the pool's ring may not have all servers.
    return 'hold_up_ms' not in report


def is_outage(report: outage.OutageReport) -> bool:
    """Whether a report is one of an outage, not of a drill or the like."""
    return archive.is_outage_by(report['event']['raised_by'])


def began_ns(report: outage.OutageReport) -> int:
    """CLOCK_REALTIME of the event of an outage, to the millisecond."""
    when = datetime.datetime.fromisoformat(report['event']['time'])
    return round(when.timestamp() * 1000) * 1000000
