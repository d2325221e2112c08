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

"""The notifier: brings the news of a power failure to every pVM.

What there is to protect is told by the pool and by QEMU, never by memory of
this process, which may be killed and started again at any time.
"""

import concurrent.futures
import dataclasses
import threading
import time

from oslo_log import log as logging

from nova_temporality.host import budget
from nova_temporality.host import paths
from nova_temporality.notifier import background
from nova_temporality.notifier import persistence_domain
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import pvm
from nova_temporality.notifier.pvm import waves
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import outage
from nova_temporality.notifier.reports import systemd
from nova_temporality.snapshot import saving
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# Seconds that an answer to "refresh" and "resume" waits for pVMs.
_REFRESH_PATIENCE = 5.0
_RESUME_PATIENCE = 15.0


class DrillRefused(Exception):
    """This is no time for a drill."""


class NotSuspended(Exception):
    """A pVM was not suspended; it is as it was."""


class NotCopied(Exception):
    """No copy of a pVM was made; it runs on, unless power has failed."""


class Notifier:
    """All pVMs of one pool.

    :param pool: vpm.Pool
    :param engine: engine.Engine
    :param conf: with group [temporality]
    :param tell: events.Events.tell
    :ivar background: background.Background, to be started
    """

    def __init__(self, pool, engine, conf, tell):
        self._pool = pool
        self._engine = engine
        self._tell = tell
        self._platform = persistence_domain.Platform(
            pool.path, pool.info().medium, engine.write_back_by)
        self._run_dir = conf.temporality.run_dir
        self._check_interval = conf.temporality.scan_interval_ms / 1000
        self._timeout_ns = conf.temporality.fixation_timeout_ms * 1000000
        self._hold_up_ms = conf.temporality.hold_up_ms
        self._pvms = {}
        # Names of those that others were told to be armed, or not to be.
        self._told = {}
        # No job is given to a pVM that is being dropped; held briefly.
        self._pvms_lock = threading.Lock()
        self._scan_lock = threading.Lock()
        self._scan_error = None
        # One event at a time; a later one finds the work done. Guards the
        # report, too.
        self._event_lock = threading.Lock()
        self._outage = outage.load(paths.last_outage(self._run_dir))
        # Who raised the outage that is on.
        self._raised_by = ()
        self.background = background.Background(pool)
        self.background.pause_while(self._outage_reason)
        self._last_drill = None
        self._budget = budget.HostBudget(pool.path, self._hold_up_ms)
        self._drill_lock = threading.Lock()
        # CLOCK_MONOTONIC when the latest fixation had ended.
        self.acknowledged_ns = 0

    def take_over(self):
        """Go on with what an earlier notifier was in the midst of.

        To be called when the pVMs are known: that one of them stands still
        tells that an outage is on, whatever the last report says.
        """
        with self._event_lock, self._pvms_lock:
            raised_by = set()
            for one in self._pvms.values():
                raised_by.update(one.raised_by)
            # A drill is ended by every pVM itself, as is a suspend.
            raised_by -= power.NO_OUTAGE
            if raised_by and self._reports_this_outage():
                raised_by.update(self._outage['event']['raised_by'])
            self._raised_by = tuple(sorted(raised_by))

    def outage_raised_by(self):
        """Return who raised the outage that is on, empty when none is."""
        return self._raised_by

    def _outage_reason(self):
        if self._raised_by:
            return 'an outage is on (raised by %s)' % ', '.join(
                self._raised_by)
        return None

    def _reports_this_outage(self):
        return self._outage is not None and not self._outage['called_off']

    def scan(self):
        """Look for regions that came or went.

        A pool that cannot be read is reported, and read again next time;
        the pVMs known so far stay protected.
        """
        with self._scan_lock:
            try:
                regions = self._pool.regions()
            except vpm.VpmError as e:
                if str(e) != self._scan_error:
                    LOG.error('Cannot read the pool: %s', e)
                self._scan_error = str(e)
                return
            self._scan_error = None
            found = {}
            # A server's memory is the first region of its name.
            for region in sorted(regions, key=lambda r: r.sequence):
                found.setdefault(region.name, region)
            with self._pvms_lock:
                self._replace(found)
                self._tell_changes()

    def _replace(self, found):
        for name, known in list(self._pvms.items()):
            if not _same(known.region, found.get(name)):
                self._pvms.pop(name).close()
        for name, region in found.items():
            if name not in self._pvms:
                self._pvms[name] = pvm.Pvm(
                    self._pool, self._engine, region, self._run_dir,
                    self._check_interval, self._platform)

    def _tell_changes(self):
        told, self._told = self._told, {}
        for name, one in self._pvms.items():
            condition = one.condition
            # Who is off or stands still needs no attention.
            kind = {conditions.ARMED: events.PVM_ARMED,
                    conditions.NOT_ARMED: events.PVM_UNARMED,
                    conditions.STOPPED: events.PVM_UNARMED}.get(
                        condition.state)
            self._told[name] = kind
            if kind and kind != told.get(name):
                self._tell(kind, dict(dataclasses.asdict(condition),
                                      name=name))

    def fixate(self, event, settled=None):
        """Fixate all pVMs; return the report of the outage.

        Returns when each is fixated or given up, [temporality]
        fixation_timeout_ms after the event at the latest. Until then nothing
        is logged and nobody outside is waited for.

        :param event: power.PowerEvent
        :param settled: function to be called as soon as each is
        """
        deadline_ns = event.monotonic_ns + self._timeout_ns
        # First of all; what is fired already is not fired again.
        self._engine.fire(event, deadline_ns)
        with self._event_lock:
            with self._pvms_lock:
                pvms = dict(self._pvms)
                begun = [one.fixate(event, deadline_ns)
                         for one in pvms.values()]
            outcomes = [attempt.wait_report() for attempt in begun]
            self.acknowledged_ns = time.monotonic_ns()
            if settled:
                settled()
            outcomes = [self._verified(pvms[one.name].region, one)
                        for one in outcomes]
            report = outage.report(event, outcomes, self.acknowledged_ns)
            self._tell(events.OUTAGE_FIXATED, report)
            if self._raised_by and self._reports_this_outage():
                report = outage.merge(self._outage, report)
            self._raised_by = tuple(sorted({*self._raised_by,
                                            *event.raised_by}))
            self.background.look()
            self._set_outage(report)
        LOG.warning('%s', outage.summary(report))
        for failure in outage.failures(report):
            LOG.error('%(name)s is not fixated: %(reason)s', failure)
        return report

    def fixate_for_reboot(self):
        """Fixate all pVMs, then end the QEMUs of those that are.

        Whoever shuts the host down would otherwise wait for them to react,
        or save them in ways of its own.

        :returns: the report; its pVMs have the key "ended" too
        """
        report = self.fixate(power.PowerEvent.now(
            'temporality fixate --for-reboot'))
        with self._pvms_lock:
            futures = {name: one.end() for name, one in self._pvms.items()}
        concurrent.futures.wait(futures.values(), _RESUME_PATIENCE)
        ended = {name for name, future in futures.items()
                 if future.done() and not future.exception() and
                 future.result()}
        return dict(report, pvms=[dict(one, ended=one['name'] in ended)
                                  for one in report['pvms']])

    def resume(self):
        """Call the outage off: let the pVMs run that ran before.

        :returns: a list of dicts: name, result, reason
        """
        with self._event_lock:
            futures = self._call_off()
        return self._resumed(futures)

    def power_returned(self):
        """Call the outage off unless an operator asked for it.

        Returns without waiting for the pVMs: power may fail again.
        """
        with self._event_lock:
            if power.OPERATOR in self._raised_by:
                return
            futures = self._call_off()
        threading.Thread(target=self._resumed, args=(futures,), daemon=True,
                         name='resume').start()

    def drill(self):
        """Fixate all pVMs that run, verify their states, and resume them.

        Every pVM does so for itself, so one that hangs keeps no other from
        running on; and a power failure meanwhile finds fixated what is
        fixated already.

        Then each does so again, alone, to measure what it costs.

        :returns: a report as of an outage; pVMs have the keys "resumed" too,
                  whether they run on, and "cost_ms", milliseconds or None
        :raises: DrillRefused
        """
        with self._drill_lock:
            report = self._drill()
            self._measure(report)
        self._last_drill = report
        self._tell(events.DRILL_ENDED, report)
        for failure in outage.failures(report):
            LOG.error('Drill: %(name)s: %(reason)s', failure)
        return report

    def _drill(self, name=None):
        """Drill with all pVMs, or with one alone; return a report."""
        event = power.PowerEvent.now('drill', (power.DRILL,))
        deadline_ns = event.monotonic_ns + self._timeout_ns
        futures = {}

        def begin(one, wave):
            attempt, futures[one.name] = one.drill(event, deadline_ns, wave)
            return attempt

        with self._event_lock:
            outage_reason = self._outage_reason()
            if outage_reason:
                raise DrillRefused(outage_reason +
                                   '; "temporality resume" calls it off')
            with self._pvms_lock:
                begun = waves.begin(
                    {one.name: one for one in self._pvms.values()
                     if name in (None, one.name)},
                    event.monotonic_ns, self._hold_up_ms * 1000000, begin)
        outcomes = [attempt.wait_report() for attempt in begun]
        acknowledged_ns = time.monotonic_ns()
        concurrent.futures.wait(futures.values(), _RESUME_PATIENCE)
        results = [_drill_result(outcome, futures[outcome.name])
                   for outcome in outcomes]
        report = outage.report(event, [one for one, _resumed in results],
                               acknowledged_ns)
        resumed = {one.name: runs for one, runs in results}
        report['pvms'] = [dict(one, resumed=resumed[one['name']])
                          for one in report['pvms']]
        return report

    def _measure(self, report):
        """Have each pVM that was drilled drill alone; add its cost."""
        drilled = [one['name'] for one in report['pvms']
                   if one['result'] == attempts.FIXATED and one['resumed']]
        costs_ms = {}
        for name in drilled:
            try:
                alone = (report if drilled == [name] else
                         self._drill(name))['pvms']
            except DrillRefused as e:
                LOG.warning('The drill is cut short: %s', e)
                break
            costs_ms.update((one['name'], one['fixated_ms'])
                            for one in alone if one['name'] == name and
                            one['result'] == attempts.FIXATED)
        for one in report['pvms']:
            one['cost_ms'] = costs_ms.get(one['name'])
        if drilled and len(costs_ms) == len(drilled):
            self._budget.learn(
                costs_ms, max(one['fixated_ms'] for one in report['pvms']
                              if one['name'] in costs_ms),
                report['event']['time'], self._priorities())

    def _priorities(self):
        with self._pvms_lock:
            return {name: one.priority for name, one in self._pvms.items()}

    def wait_signal(self, number, raised_by):
        """Wait for a signal, at which all pVMs are fixated without delay.

        fixate() is to be called then, with the same instant.

        :param raised_by: name of a source whose word is enough
        :returns: see engine.Engine.wait_signal()
        """
        return self._engine.wait_signal(number, raised_by, self._timeout_ns)

    def suspend(self, name):
        """Fixate one pVM on its tenant's behalf, then end its QEMU.

        Its state is proven on return, and nothing holds its memory.

        :param name: of the pVM
        :returns: the Outcome as a dict
        :raises: NotSuspended
        """
        event = power.PowerEvent.now('suspend', (power.SUSPEND,))
        attempt, future = self._begin_alone(
            name, NotSuspended, lambda one: one.suspend(
                event, event.monotonic_ns + self._timeout_ns))
        outcome = attempt.wait_report()
        try:
            future.result(_RESUME_PATIENCE)
        except Exception as e:
            raise NotSuspended(outcome.reason or str(e) or
                               'its QEMU does not end')
        return dataclasses.asdict(outcome)

    def _begin_alone(self, name, refused, begin):
        """Begin to fixate one pVM, unless an outage is on.

        :param refused: class of what is raised then
        :param begin: function of the pVM; returns what this does
        """
        with self._event_lock:
            outage_reason = self._outage_reason()
            if outage_reason:
                raise refused(outage_reason + '; it stays fixated for that')
            with self._pvms_lock:
                if name not in self._pvms:
                    raise refused('the notifier knows no pVM %s' % name)
                return begin(self._pvms[name])

    def snapshot(self, name, directory, disks):
        """Fixate one pVM, copy it, and let it run on.

        A power failure meanwhile ends the copying at once. No other pVM is
        waited for, or kept waiting, but for drills.

        :param name: of the pVM
        :param directory: where the copies go
        :param disks: dict of its disks' paths, by the names of their copies
        :returns: what saving.save() returns, and "stood_still_ms"
        :raises: NotCopied
        """
        with self._drill_lock:
            event = power.PowerEvent.now('snapshot', (power.SNAPSHOT,))

            def begin(one):
                return one.snapshot(
                    event, event.monotonic_ns + self._timeout_ns,
                    lambda check: saving.save(
                        self._pool, one.region, directory, disks, check))
            _attempt, future = self._begin_alone(name, NotCopied, begin)
            try:
                copied = future.result()
            except Exception as e:
                raise NotCopied('%s was not copied: %s' % (name, e))
        return dict(copied, stood_still_ms=round(
            (time.monotonic_ns() - event.monotonic_ns) / 1e6, 1))

    def alert(self):
        """Power may fail soon: arm all pVMs, pause background work."""
        self.background.look()
        threading.Thread(target=self.refresh, daemon=True,
                         name='alert').start()

    def _call_off(self):
        with self._pvms_lock:
            futures = {name: one.resume() for name, one in self._pvms.items()}
        self._raised_by = ()
        if self._outage is not None and not self._outage['called_off']:
            self._set_outage(outage.call_off(self._outage, time.time_ns()))
            self._tell(events.OUTAGE_CALLED_OFF, self._outage)
        return futures

    @staticmethod
    def _resumed(futures):
        """Wait for pVMs, a while; return what resume() returns."""
        concurrent.futures.wait(futures.values(), _RESUME_PATIENCE)
        results = []
        for name, future in sorted(futures.items()):
            result = _resume_result(name, future)
            if result['result'] is not None:
                results.append(result)
                LOG.warning('Power is back, %(name)s: %(result)s '
                            '%(reason)s', result)
        return results

    def refresh(self):
        """Scan, look at every pVM now and return the status."""
        self.scan()
        with self._pvms_lock:
            checks = [one.check() for one in self._pvms.values()]
        concurrent.futures.wait(checks, _REFRESH_PATIENCE)
        return self.status()

    def status(self):
        """Return pool, platform, pVMs and last outage, in plain data."""
        with self._pvms_lock:
            pvms = [dict(dataclasses.asdict(one.condition), name=name,
                         priority=one.priority)
                    for name, one in sorted(self._pvms.items())]
        return {
            'engine': self._engine.describe(),
            'engine_lost': self._engine.lost,
            'pool': self._pool.path,
            'pool_error': self._scan_error,
            'platform': self._platform.describe(),
            'pvms': pvms,
            'background_paused': self.background.paused,
            'budget': self._budget.status(self._priorities()),
            'last_outage': self._outage,
            'last_drill': self._last_drill,
        }

    def describe(self):
        """Say in a line how the pVMs are."""
        with self._pvms_lock:
            states = [one.condition.state for one in self._pvms.values()]
        return '%d pVMs, %d armed, %d fixated' % (
            len(states), states.count(conditions.ARMED),
            states.count(conditions.FIXATED))

    def close(self):
        """Let go of all pVMs, as they are, once a fixation has ended."""
        with self._event_lock, self._pvms_lock:
            for one in self._pvms.values():
                one.close()

    def _verified(self, region, outcome):
        """Read back what was fixated, now that there is time."""
        if outcome.result != attempts.FIXATED:
            return outcome
        try:
            state = self._pool.verify_state(region.id)
        except vpm.VpmError as e:
            return dataclasses.replace(outcome, result=attempts.FAILED,
                                       reason=str(e))
        return dataclasses.replace(outcome, state_size=state.length)

    def _set_outage(self, report):
        try:
            outage.store(report, paths.last_outage(self._run_dir))
        except OSError as e:
            LOG.error('Cannot write the report of the outage: %s', e)
        self._outage = report
        systemd.notify('STATUS=' + outage.summary(report))


def _same(known, found):
    # A server rebuilt gets a region of the same name and id.
    return found is not None and (
        (known.id, known.created_ns) == (found.id, found.created_ns))


def _resume_result(name, future):
    if not future.done():
        return {'name': name, 'result': 'failed',
                'reason': 'its QEMU does not answer; try again later'}
    error = future.exception()
    if error is not None:
        return {'name': name, 'result': 'failed', 'reason': str(error)}
    return {'name': name, 'result': future.result(), 'reason': ''}


def _drill_result(outcome, future):
    """Return the Outcome, as verified, and whether the pVM runs on."""
    if outcome.result == attempts.SKIPPED:
        return outcome, None
    resumed = _resume_result(outcome.name, future)
    if resumed['result'] == 'failed':
        return dataclasses.replace(
            outcome, result=attempts.FAILED,
            reason=outcome.reason or resumed['reason']), False
    drilled = resumed['result']
    if drilled.state:
        outcome = dataclasses.replace(outcome,
                                      state_size=drilled.state.length)
    return outcome, drilled.resumed == pvm.RESUMED
