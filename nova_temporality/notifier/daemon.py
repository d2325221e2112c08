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

from nova_temporality.notifier import fixation
from nova_temporality.notifier import outage
from nova_temporality.notifier import platform
from nova_temporality.notifier import pvm
from nova_temporality.notifier import systemd
from nova_temporality import paths
from nova_temporality import vpm

LOG = logging.getLogger(__name__)

# Seconds that an answer to "refresh" and "resume" waits for pVMs.
_REFRESH_PATIENCE = 5.0
_RESUME_PATIENCE = 15.0


class Notifier:
    """All pVMs of one pool.

    :param pool: vpm.Pool
    :param conf: with group [temporality]
    """

    def __init__(self, pool, conf):
        self._pool = pool
        self._platform_problem = platform.problem(pool.path,
                                                  pool.info().medium)
        self._run_dir = conf.temporality.run_dir
        self._check_interval = conf.temporality.scan_interval_ms / 1000
        self._timeout_ns = conf.temporality.fixation_timeout_ms * 1000000
        self._pvms = {}
        # No job is given to a pVM that is being dropped; held briefly.
        self._pvms_lock = threading.Lock()
        self._scan_lock = threading.Lock()
        self._scan_error = None
        # One event at a time; a later one finds the work done. Guards the
        # report, too.
        self._event_lock = threading.Lock()
        self._outage = outage.load(paths.last_outage(self._run_dir))
        # Whether self._outage was not called off since we handled it.
        self._in_outage = False

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

    def _replace(self, found):
        for name, known in list(self._pvms.items()):
            if not _same(known.region, found.get(name)):
                self._pvms.pop(name).close()
        for name, region in found.items():
            if name not in self._pvms:
                self._pvms[name] = pvm.Pvm(self._pool, region, self._run_dir,
                                           self._check_interval,
                                           self._platform_problem)

    def on_power_event(self, event):
        """Fixate all pVMs, in a thread that must live on whatever happens."""
        try:
            self.fixate(event)
        except Exception:
            LOG.exception('Handling a power failure failed')

    def fixate(self, event):
        """Fixate all pVMs; return the report of the outage.

        Returns when each is fixated or given up, [temporality]
        fixation_timeout_ms after the event at the latest. Until then nothing
        is logged and nobody outside is waited for.

        :param event: sources.PowerEvent
        """
        with self._event_lock:
            deadline_ns = event.monotonic_ns + self._timeout_ns
            with self._pvms_lock:
                pvms = dict(self._pvms)
                attempts = [one.fixate(event, deadline_ns)
                            for one in pvms.values()]
            outcomes = [attempt.outcome() for attempt in attempts]
            acknowledged_ns = time.monotonic_ns()
            outcomes = [self._verified(pvms[one.name].region, one)
                        for one in outcomes]
            report = outage.report(event, outcomes, acknowledged_ns)
            if self._in_outage:
                report = outage.merge(self._outage, report)
            self._in_outage = True
            self._set_outage(report)
        LOG.warning('%s', outage.summary(report))
        for failure in outage.failures(report):
            LOG.error('%(name)s is not fixated: %(reason)s', failure)
        return report

    def resume(self):
        """Call the outage off: let the pVMs run that ran before.

        :returns: a list of dicts: name, result, reason
        """
        with self._event_lock:
            with self._pvms_lock:
                futures = {name: one.resume()
                           for name, one in self._pvms.items()}
            self._in_outage = False
            if self._outage is not None:
                self._set_outage(outage.call_off(self._outage,
                                                 time.time_ns()))
        # Power may fail again meanwhile: pVMs do one thing after the other.
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
        """Return pool, pVMs and the last outage, in plain data."""
        with self._pvms_lock:
            pvms = [dict(dataclasses.asdict(one.condition), name=name)
                    for name, one in sorted(self._pvms.items())]
        return {
            'pool': self._pool.path,
            'pool_error': self._scan_error,
            'pvms': pvms,
            'last_outage': self._outage,
        }

    def describe(self):
        """Say in a line how the pVMs are."""
        with self._pvms_lock:
            states = [one.condition.state for one in self._pvms.values()]
        return '%d pVMs, %d armed, %d fixated' % (
            len(states), states.count(pvm.ARMED), states.count(pvm.FIXATED))

    def close(self):
        """Let go of all pVMs, as they are, once a fixation has ended."""
        with self._event_lock, self._pvms_lock:
            for one in self._pvms.values():
                one.close()

    def _verified(self, region, outcome):
        """Read back what was fixated, now that there is time."""
        if outcome.result != fixation.FIXATED:
            return outcome
        try:
            state = self._pool.verify_state(region.id)
        except vpm.VpmError as e:
            return dataclasses.replace(outcome, result=fixation.FAILED,
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
