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

"""Drills: all pVMs are fixated and resumed, without a power failure."""

from collections import abc
import concurrent.futures
import dataclasses
import threading
import time

from oslo_log import log as logging

from nova_temporality.host import budget
from nova_temporality.host import contention
from nova_temporality.notifier import current_outage
from nova_temporality.notifier import fleet
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import pvm as pvm_module
from nova_temporality.notifier.pvm import waves
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import outage

LOG = logging.getLogger(__name__)

# Seconds that a drill waits for pVMs to be resumed.
_RESUME_PATIENCE = 15.0


class DrillReport(outage.OutageReport):
    """A drill; forecast: None if not all could be measured."""

    forecast: budget.Forecast | None


class DrillRefused(Exception):
    """There can be no drill now."""


class Drills:
    """Drills with all pVMs.

    :param pvms: with which to drill
    :param current: while an outage is on, drills are refused
    :param host_budget: learns what each pVM costs
    :param publish: see events.Publisher.publish()
    :param exclusive: lock that is held during a drill
    :param timeout_ns: that a fixation may take
    :param hold_up_ns: from the event until power would be gone
    :ivar last_report: of the last drill, or None
    """

    def __init__(self, pvms: fleet.Fleet,
                 current: current_outage.CurrentOutage,
                 host_budget: budget.HostBudget, publish: events.Publish,
                 exclusive: threading.Lock, timeout_ns: int,
                 hold_up_ns: int) -> None:
        self.last_report: DrillReport | None = None
        self._fleet = pvms
        self._current = current
        self._budget = host_budget
        self._publish = publish
        self._exclusive = exclusive
        self._timeout_ns = timeout_ns
        self._hold_up_ns = hold_up_ns

    def run(self) -> DrillReport:
        """Fixate all pVMs that run, verify their states, and resume them.

        Every pVM does so for itself, so one that hangs keeps no other from
        running on; and a power failure meanwhile finds fixated what is
        fixated already.

        Then each does so again, alone, to measure what it costs, and some of
        them together, to measure how they are in each other's way.

        :returns: a report as of an outage; pVMs have the keys "resumed" too,
                  whether they run on, and "cost_ms", milliseconds or None.
                  "forecast" is what had been predicted
        :raises: DrillRefused
        """
        with self._exclusive:
            drilled = self._drill()
            report: DrillReport = {**drilled,
                                   'forecast': self._measure(drilled)}
        self.last_report = report
        self._publish(events.DRILL_ENDED, report)
        for failure in outage.failures(report):
            LOG.error('Drill: %(name)s: %(reason)s', failure)
        return report

    def _drill(self, names: abc.Collection[str] | None = None
               ) -> outage.OutageReport:
        """Drill with all pVMs, or with these alone; return a report."""
        event = power.PowerEvent.now('drill', (power.DRILL,))
        deadline_ns = event.monotonic_ns + self._timeout_ns
        futures = {}
        settled = threading.Event()

        def begin_one(pvm: pvm_module.Pvm,
                      wave: waves.Wave) -> attempts.Attempt:
            attempt, futures[pvm.name] = pvm.drill(event, deadline_ns, wave,
                                                   settled)
            return attempt

        with self._current.lock:
            outage_reason = self._current.reason()
            if outage_reason:
                raise DrillRefused(outage_reason +
                                   '; "temporality resume" calls it off')
            with self._fleet.locked() as pvms:
                begun = waves.begin(
                    {pvm.name: pvm for pvm in pvms.values()
                     if names is None or pvm.name in names},
                    event.monotonic_ns, self._hold_up_ns, begin_one)
        pvm_reports = [attempt.wait_report() for attempt in begun]
        acknowledged_ns = time.monotonic_ns()
        settled.set()
        concurrent.futures.wait(futures.values(), _RESUME_PATIENCE)
        results = [_result(pvm_report, futures[pvm_report.name])
                   for pvm_report in pvm_reports]
        report = outage.report(
            event, [pvm_report for pvm_report, _resumed in results],
            acknowledged_ns)
        resumed = {pvm_report.name: runs for pvm_report, runs in results}
        report['pvms'] = [dict(entry, resumed=resumed[entry['name']])
                          for entry in report['pvms']]
        return report

    def _measure(self, report: outage.OutageReport) -> budget.Forecast | None:
        """Have those that were drilled drill alone, and in groups; add costs.

        :returns: what had been predicted for all; None if one was not measured
        """
        drilled = [entry['name'] for entry in report['pvms']
                   if entry['result'] == attempts.FIXATED and
                   entry['resumed']]
        # One that was alone anyway need not drill again.
        costs_ms = ({drilled[0]: _total_ms(report, drilled)}
                    if len(drilled) == 1 else {})
        groups_ms: list[tuple[list[str], float]] = []
        try:
            for name in drilled[len(costs_ms):]:
                if taken_ms := self._together_ms([name]):
                    costs_ms[name] = taken_ms
            for group in contention.groups(drilled):
                if taken_ms := self._together_ms(group):
                    groups_ms.append((group, taken_ms))
        except DrillRefused as e:
            LOG.warning('The drill is not finished: %s', e)
        for entry in report['pvms']:
            entry['cost_ms'] = costs_ms.get(entry['name'])
        if not drilled or len(costs_ms) < len(drilled):
            return None
        groups_ms.append((drilled, _total_ms(report, drilled)))
        return self._budget.learn(costs_ms, groups_ms, report['event']['time'],
                                  self._fleet.priorities())

    def _together_ms(self, names: list[str]) -> float | None:
        """Drill with these pVMs alone; None if one of them was not fixated."""
        report = self._drill(names)
        if all(entry['result'] == attempts.FIXATED
               for entry in report['pvms']) and (
                   len(report['pvms']) == len(names)):
            return _total_ms(report, names)
        return None


def _total_ms(report: outage.OutageReport, names: abc.Container[str]) -> float:
    """Return what pVMs took together in a drill."""
    return max(entry['fixated_ms'] for entry in report['pvms']
               if entry['name'] in names)


def _result(report: attempts.PvmReport,
            future: concurrent.futures.Future[pvm_module.DrillResult]
            ) -> tuple[attempts.PvmReport, bool | None]:
    """Return the report, as verified, and whether the pVM runs on."""
    if report.result == attempts.SKIPPED:
        return report, None
    problem = pvm_module.resume_problem(future)
    if problem is not None:
        return dataclasses.replace(report, result=attempts.FAILED,
                                   reason=report.reason or problem), False
    drilled = future.result()
    if drilled.state:
        report = dataclasses.replace(report, state_size=drilled.state.length)
    return report, drilled.resumed == pvm_module.RESUMED
