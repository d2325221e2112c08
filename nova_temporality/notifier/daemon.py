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

"""The notifier: tells every pVM when power fails, and when it is back."""

from collections import abc
import concurrent.futures
import contextlib
import dataclasses
import datetime
import threading
import time
from typing import Any
from typing import TypedDict
from typing import TypeVar

from oslo_config import cfg
from oslo_log import log as logging

from nova_temporality.host import budget
from nova_temporality.host import clock
from nova_temporality.host import notes
from nova_temporality.host import paths
from nova_temporality.notifier import background
from nova_temporality.notifier import current_outage
from nova_temporality.notifier import drill
from nova_temporality.notifier import fleet
from nova_temporality.notifier import health
from nova_temporality.notifier import mutes
from nova_temporality.notifier import persistence_domain
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import copying
from nova_temporality.notifier.pvm import pvm as pvm_module
from nova_temporality.notifier import reboot
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import outage
from nova_temporality.notifier.sources import device
from nova_temporality.notifier.sources import state
from nova_temporality.notifier import vault_bound
from nova_temporality.notifier import vault_writer
from nova_temporality.snapshot import files
from nova_temporality.snapshot import saving
from nova_temporality.vault import ahead
from nova_temporality.vault import writing
from nova_temporality import version
from nova_temporality import vpm
from nova_temporality.vpm import engine as native
from nova_temporality.vpm import outcomes

LOG = logging.getLogger(__name__)

# Seconds that an answer to "refresh" and "resume" waits for pVMs.
_REFRESH_PATIENCE = 5.0
_RESUME_PATIENCE = 15.0
# Seconds that ending waits for a drill or a snapshot, then for pVMs.
_END_PATIENCE = 15.0

_ENDING = 'the notifier is being ended'

_T = TypeVar('_T')
_Begun = tuple[attempts.Attempt, concurrent.futures.Future[_T]]


class NotSuspended(Exception):
    """A pVM was not suspended; it is as it was."""


class NotCopied(Exception):
    """No copy of a pVM was made; it runs on, unless power has failed."""


class Resumed(TypedDict):
    """What a call-off did to one pVM, as it goes into JSON."""

    name: str
    result: str
    reason: str


class Notifier:
    """Fixates the pVMs of one pool, and lets them run on.

    :param pool: that has their memory
    :param engine: that fixates them
    :param conf: with group [temporality]
    :param publish: see events.Publisher.publish()
    :ivar background: to be started
    :ivar ahead: writes to the pool's vault, to be started
    :ivar bound: keeps what is left for it small enough, to be started
    :ivar acknowledged_ns: CLOCK_MONOTONIC when the latest fixation had ended
    :ivar status_of_sources: returns how the sources are; set by who runs them
    :ivar mutes: codes of health that nobody wants to hear of
    """

    def __init__(self, pool: vpm.Pool, engine: native.Engine,
                 conf: cfg.ConfigOpts, publish: events.Publish) -> None:
        opts = conf.temporality
        self.acknowledged_ns = 0
        self.status_of_sources: abc.Callable[
            [], list[state.SourceStatus]] = list
        self.mutes = mutes.Mutes(paths.mutes(opts.run_dir))
        self._run_dir = opts.run_dir
        self._pending: dict[str, str] = {}
        self._clock_needed_for = _clock_needed_for(opts)
        self._pool = pool
        self._engine = engine
        self._publish = publish
        self._timeout_ns = opts.fixation_timeout_ms * 1000000
        self._hold_up_ms = opts.hold_up_ms
        self._info = info = pool.info()
        self._platform = persistence_domain.Platform(
            pool.path, info, engine.write_back_by,
            vault_hold_up=opts.vault_hold_up)
        self._fleet = fleet.Fleet(
            pool, engine, opts.run_dir, opts.scan_interval_ms / 1000,
            self._platform, publish)
        self._archive = archive.Archive(paths.outages(pool.path))
        self._outage = current_outage.CurrentOutage(
            paths.last_outage(opts.run_dir), self._archive)
        self._budget = budget.HostBudget(pool.path, opts.hold_up_ms)
        self.ahead = ahead.Ahead(
            pool, opts.vault_ahead_mb_per_s, self._fleet.running,
            lambda: self.background.paused, self._outage.reason,
            self._fleet.pids)
        self.bound = vault_bound.VaultBound(
            pool, opts.vault_hold_up, self.ahead, self._fleet.pids,
            self._outage.reason, paths.brakes(opts.run_dir))
        self._vault_writer = vault_writer.VaultWriter(
            pool, self._fleet.priorities, self._on_vaulted,
            self._on_all_vaulted, self.ahead)
        self._to_vault = bool(info.vault and opts.vault_hold_up)
        # No snapshot is made during a drill, which measures times.
        self._exclusive = threading.Lock()
        self._ending = threading.Event()
        self._drills = drill.Drills(
            self._fleet, self._outage, self._budget, publish,
            self._exclusive, self._timeout_ns, opts.hold_up_ms * 1000000)
        self.background = background.Background(pool)
        self.background.pause_while(self._outage.reason)
        # Another one has armed nobody. It may be there at this very moment, so
        # this comes last.
        engine.on_changed = self.refresh

    def take_over(self) -> None:
        """Go on with what an earlier notifier has left.

        To be called when the pVMs are known: an outage is on if one of them
        stands still, whatever the last report says.
        """
        self._fleet.forget_others()
        try:
            self._archive.complete(outcomes.read(self._pool))
        except OSError as e:
            LOG.error('Cannot write reports of outages: %s', e)
        with self._outage.lock, self._fleet.locked() as pvms:
            self._outage.restore({name for pvm in pvms.values()
                                  for name in pvm.raised_by})
        if self._to_vault and self.outage_raised_by():
            self._vault_writer.begin()

    def outage_raised_by(self) -> tuple[str, ...]:
        """Return who raised the outage that is on, empty when none is."""
        return self._outage.raised_by

    def scan(self) -> None:
        """Look for regions that came or went, and at the NVDIMMs."""
        before = self._platform.nvdimms
        self._platform.look()
        self._fleet.scan()
        if self._platform.nvdimms != before:
            self._fleet.look()

    def fixate(self, event: power.PowerEvent,
               settled: abc.Callable[[], object] = lambda: None,
               is_planned: bool = False) -> outage.OutageReport:
        """Fixate all pVMs; return the report of the outage.

        Returns when each is fixated or given up, [temporality]
        fixation_timeout_ms after the event at the latest. Until then nothing
        is logged and nobody outside is waited for. If power lasts for that,
        they are then written to the vault, which is not waited for.

        :param settled: called as soon as each is fixated or given up
        :param is_planned: whether the caller writes them to the vault
        """
        deadline_ns = event.monotonic_ns + self._timeout_ns
        # First of all; what is fired already is not fired again.
        try:
            self._engine.fire(event, deadline_ns)
        except vpm.EngineAway:
            pass  # each pVM waits for it, and says so if it does not come
        with self._outage.lock:
            with self._fleet.locked() as known:
                pvms = dict(known)
                begun = [pvm.fixate(event, deadline_ns)
                         for pvm in pvms.values()]
            pvm_reports = [attempt.wait_report() for attempt in begun]
            self.acknowledged_ns = time.monotonic_ns()
            settled()
            pvm_reports = [self._verified(pvms[report.name].region, report)
                           for report in pvm_reports]
            report = outage.report(event, pvm_reports, self.acknowledged_ns)
            report['hold_up_ms'] = self._hold_up_ms
            self._publish(events.OUTAGE_FIXATED, report)
            report = self._outage.extend(event, report)
            self.background.look()
            if self._to_vault and not is_planned:
                report = outage.vault_began(report, time.time_ns())
                self._vault_writer.begin()
            self._outage.store(report)
        LOG.warning('%s', outage.summary(report))
        for failure in outage.failures(report):
            LOG.error('Outage %s: %s is not fixated: %s', report['id'],
                      failure['name'], failure['reason'])
        return report

    def fixate_for_reboot(self) -> outage.OutageReport:
        """Fixate all pVMs, then end the QEMUs of those that are.

        Otherwise the shutdown of the host would wait for them to react, or
        would save them in other ways.

        :returns: the report; its pVMs have the key "ended" too
        """
        report = self.fixate(power.PowerEvent.now(
            'temporality fixate --for-reboot'), is_planned=True)
        with self._fleet.locked() as pvms:
            futures = {name: pvm.end() for name, pvm in pvms.items()}
        concurrent.futures.wait(futures.values(), _RESUME_PATIENCE)
        ended = {name for name, future in futures.items()
                 if future.done() and not future.exception() and
                 future.result()}
        failures = {}
        if self._info.vault:
            with self.ahead.stopped():
                failures = writing.write(
                    self._pool, self._fleet.priorities(), _log_written,
                    ahead=self.ahead)
        elif self._platform.is_dram:
            failures = reboot.make_ready(self._pool)
        entries = [dict(entry, ended=entry['name'] in ended)
                   for entry in report['pvms']]
        for entry in entries:
            if entry['name'] in failures:
                entry.update(result=attempts.FAILED,
                             reason=failures[entry['name']])
        return {**report, 'pvms': entries}

    def resume(self) -> list[Resumed]:
        """Call the outage off: let the pVMs run that ran before."""
        with self._outage.lock:
            futures = self._call_off()
        return _wait_resumed(futures)

    def power_returned(self) -> None:
        """Call the outage off unless an operator requested it.

        Returns without waiting for the pVMs: power may fail again.
        """
        with self._outage.lock:
            if power.OPERATOR in self._outage.raised_by:
                return
            futures = self._call_off()
        threading.Thread(target=_wait_resumed, args=(futures,), daemon=True,
                         name='resume').start()

    def drill(self) -> drill.DrillReport:
        """Drill with all pVMs, see drill.Drills.run()."""
        return self._drills.run()

    def fire_on_signals(self, raised_by: abc.Mapping[int, str]) -> None:
        """Have the engine fixate all pVMs at these signals, and at no others.

        fixate() is to be called as well, with the same instant.

        :param raised_by: names of sources whose COMMIT alone is sufficient,
                          by the numbers of their signals
        """
        for number in native.SIGNALS:
            self._engine.fire_on_signal(number, raised_by.get(number),
                                        self._timeout_ns)

    def wait_signal(self, number: int) -> tuple[int, int, int]:
        """Wait for a signal.

        :param number: of the signal
        :returns: see engine.Engine.wait_signal()
        """
        return self._engine.wait_signal(number)

    def watch_devices(self, sources: abc.Mapping[str, device.DeviceSource],
                      is_sufficient: abc.Callable[[str], bool],
                      debounce_ns: int) -> None:
        """Have the engine watch the devices of these sources, and no others.

        It fixates all pVMs by itself, as for fire_on_signals().

        :param sources: by name
        :param is_sufficient: whether COMMIT of a source alone begins a
                              fixation
        :param debounce_ns: for how long it must stand
        """
        by_number = {source.watched.number: name
                     for name, source in sources.items()}
        for number in native.DEVICES:
            name = by_number.get(number)
            if name is None:
                self._engine.watch(native.Watched(number, ''), native.Rule())
                continue
            sources[name].engine = self._engine
            self._engine.watch(sources[name].watched, native.Rule(
                name if is_sufficient(name) else None, debounce_ns,
                self._timeout_ns))

    def suspend(self, name: str) -> dict[str, Any]:
        """Fixate one pVM on its tenant's behalf, then end its QEMU.

        Its state is proven on return, and no process has its memory open. A
        QEMU that was told to end is waited for, however long that takes.

        :param name: of the pVM
        :returns: the PvmReport as a dict
        :raises: NotSuspended
        """
        event = power.PowerEvent.now('suspend', (power.SUSPEND,))
        attempt, future = self._begin_alone(
            name, NotSuspended, lambda pvm: pvm.suspend(
                event, event.monotonic_ns + self._timeout_ns))
        report = attempt.wait_report()
        try:
            wait_ended = future.result()
        except Exception as e:
            raise NotSuspended(report.reason or str(e) or type(e).__name__)
        wait_ended()
        return dataclasses.asdict(report)

    def snapshot(self, name: str, directory: str,
                 disks: abc.Mapping[str, str],
                 at_most: int) -> dict[str, Any]:
        """Fixate one pVM, copy it, and let it run on.

        A power failure meanwhile ends the copying at once. Drills wait until
        it is over, and it waits for drills; other pVMs are not concerned.

        :param name: of the pVM
        :param directory: where the copies go
        :param disks: paths of its disks, by the names of their copies
        :param at_most: bytes that one of them may have
        :returns: what saving.save() returns, and "stood_still_ms"
        :raises: NotCopied
        """
        with self._exclusive:
            event = power.PowerEvent.now('snapshot', (power.SNAPSHOT,))

            def begin(pvm: pvm_module.Pvm
                      ) -> _Begun[abc.Mapping[str, Any]]:
                def copy(check: files.Check) -> abc.Mapping[str, Any]:
                    return self._copy_until_end(pvm.region, directory, disks,
                                                at_most, check)
                return pvm.snapshot(
                    event, event.monotonic_ns + self._timeout_ns, copy)
            _attempt, future = self._begin_alone(name, NotCopied, begin)
            try:
                copied = future.result()
            except Exception as e:
                raise NotCopied('%s was not copied: %s' % (name, e))
        return dict(copied, stood_still_ms=round(
            (time.monotonic_ns() - event.monotonic_ns) / 1e6, 1))

    def alert(self) -> None:
        """Power may fail soon: arm all pVMs, pause background work."""
        self.background.look()
        threading.Thread(target=self.refresh, daemon=True,
                         name='alert').start()

    def refresh(self) -> dict[str, Any]:
        """Scan, look at every pVM now and return the status."""
        self.scan()
        concurrent.futures.wait(self._fleet.look(), _REFRESH_PATIENCE)
        return self.status()

    def status(self) -> dict[str, Any]:
        """Return sources, pool, pVMs, last outage etc., in plain data."""
        return {
            'version': version.version(),
            'engine': self._engine.describe(),
            'engine_lost': self._engine.lost,
            'engine_problem': self._engine.problem,
            'sources': self.status_of_sources(),
            'pool': self._pool.path,
            'pool_error': self._fleet.scan_error,
            'medium': self._info.medium,
            'medium_problem': self._info.medium_problem,
            'nvdimms': [dataclasses.asdict(one)
                        for one in self._platform.nvdimms],
            'platform': self._platform.describe(),
            'pvms': self._fleet.status(),
            'unwatched': self._fleet.unwatched(),
            'background_paused': self.background.paused,
            'budget': self._budget.status(self._fleet.priorities()),
            'vault': self.bound.watch.status(),
            'pending': self._read_pending(),
            'clock': {'is_synchronised': clock.is_synchronised(),
                      'needed_for': self._clock_needed_for},
            'outage_raised_by': self.outage_raised_by(),
            'last_outage': self._outage.report,
            'last_drill': self._drills.last_report,
        }

    def pool_info(self) -> vpm.PoolInfo | None:
        """Say how much of the pool is used; None if it cannot be read."""
        with contextlib.suppress(vpm.VpmError):
            return self._pool.info()
        return None

    def health(self) -> health.Report:
        """Say how this host is, in one word and in codes."""
        return health.report(self.status(), self.mutes.active(),
                             datetime.datetime.now(datetime.UTC))

    def mute(self, code: str, seconds: float) -> str:
        """Mute a code of health, as far as it is raised now.

        :param seconds: for how long
        :returns: its end, ISO 8601
        :raises ValueError: there is no such code, or that is too long
        """
        if code not in health.CODES:
            raise ValueError('there is no code %.40r' % code)
        names = [concern['name'] for finding in self.health()['findings']
                 if finding['code'] == code
                 for concern in finding['concerns']]
        return health.iso(self.mutes.mute(code, seconds, names).until)

    def _read_pending(self) -> dict[str, str]:
        """Return why pVMs are not recovered yet, by name.

        What was known is told when no file can be opened: that must not keep
        the rest from being told.
        """
        with contextlib.suppress(OSError):
            self._pending = notes.pending(self._run_dir)
        return self._pending

    def problem(self) -> str | None:
        """Say what keeps it from protecting pVMs, in words, or None."""
        return self._fleet.problem()

    def describe(self) -> str:
        """Say in a line how the pVMs are."""
        return self._fleet.describe()

    def close(self) -> list[str]:
        """Leave all pVMs to the engine, after what is under way with them.

        A snapshot is ended, and its pVM runs on; so does one after a drill or
        a suspend.

        :returns: names of pVMs that stand still for such a thing
        """
        self._ending.set()
        self.bound.close()
        # The next notifier goes on with it.
        self._vault_writer.stop()
        # It is kept: nothing is begun any more.
        if not self._exclusive.acquire(timeout=_END_PATIENCE):
            LOG.error('A drill or a snapshot does not end')
        concurrent.futures.wait(self._fleet.look(), _REFRESH_PATIENCE)
        with self._outage.lock:
            standing = [
                name for name, pvm in sorted(self._fleet.known().items())
                if pvm.raised_by and set(pvm.raised_by) <= power.NO_OUTAGE and
                pvm.condition.state != conditions.OFF]
            self._fleet.leave()
        return standing

    def _copy_until_end(self, region: vpm.RegionInfo, directory: str,
                        disks: abc.Mapping[str, str], at_most: int,
                        check: files.Check) -> abc.Mapping[str, Any]:
        """Copy a pVM, unless a fixation, or the end of all, comes first."""
        def copy(check_end: files.Check) -> abc.Mapping[str, Any]:
            def check_both() -> None:
                check()
                check_end()
            return saving.save(self._pool, region, directory, disks,
                               at_most, check_both)
        try:
            return copying.run(copy, self._ending.is_set, region.name)
        except copying.CopyInterrupted:
            # If it was the fixation, that is raised again.
            check()
            raise NotCopied(_ENDING)

    def _begin_alone(self, name: str, refused: type[Exception],
                     begin: abc.Callable[[pvm_module.Pvm], _Begun[_T]]
                     ) -> _Begun[_T]:
        """Begin to fixate one pVM, unless an outage is on.

        :param name: of the pVM
        :param refused: class of what is raised if it cannot be
        :param begin: called with the pVM; returns what this does
        """
        with self._outage.lock:
            if self._ending.is_set():
                raise refused(_ENDING)
            outage_reason = self._outage.reason()
            if outage_reason:
                raise refused(outage_reason + '; it stays fixated for that')
            with self._fleet.locked() as pvms:
                if name not in pvms:
                    raise refused('the notifier knows no pVM %s' % name)
                return begin(pvms[name])

    def _call_off(self
                  ) -> dict[str, concurrent.futures.Future[str | None]]:
        # Before any of them runs, and without waiting for the disk.
        self._vault_writer.stop()
        with self._fleet.locked() as pvms:
            futures = {name: pvm.resume() for name, pvm in pvms.items()}
        report = self._outage.call_off()
        if report:
            self._publish(events.OUTAGE_CALLED_OFF, report)
        return futures

    def _on_vaulted(self, written: writing.Written) -> None:
        """A server is durable in the vault, or is not going to be."""
        _log_written(written)
        with self._outage.lock:
            self._outage.vaulted(written)

    def _on_all_vaulted(self) -> None:
        with self._outage.lock:
            report = self._outage.report
        if report and 'vault' in report and not report['called_off']:
            self._publish(events.OUTAGE_VAULTED, report)
            LOG.warning('%s', outage.vault_summary(report))

    def _verified(self, region: vpm.RegionInfo,
                  report: attempts.PvmReport) -> attempts.PvmReport:
        """Read back what was fixated, now that there is time."""
        if report.result != attempts.FIXATED:
            return report
        try:
            state = self._pool.verify_state(region.id)
        except vpm.VpmError as e:
            return dataclasses.replace(report, result=attempts.FAILED,
                                       reason=str(e))
        return dataclasses.replace(report, state_size=state.length)


def _log_written(written: writing.Written) -> None:
    if not written.failure:
        LOG.warning('%s is durable in the vault: %.1f MiB were written',
                    written.name, written.size / (1 << 20))


def _clock_needed_for(opts: Any) -> list[str]:
    """Options of [temporality] that rely on the host's clock."""
    needed = []
    if 'messaging' in opts.pod_sources:
        needed.append('messaging_max_age_ms')
    if opts.max_outage:
        needed.append('max_outage')
    return needed


def _wait_resumed(
    futures: abc.Mapping[str, concurrent.futures.Future[str | None]]
) -> list[Resumed]:
    """Wait some seconds for pVMs; say what was done to which."""
    concurrent.futures.wait(futures.values(), _RESUME_PATIENCE)
    results: list[Resumed] = []
    for name, future in sorted(futures.items()):
        problem = pvm_module.resume_problem(future)
        done = 'failed' if problem is not None else future.result()
        if done is None:
            continue
        results.append({'name': name, 'result': done,
                        'reason': problem or ''})
        LOG.warning('Power is back, %(name)s: %(result)s %(reason)s',
                    results[-1])
    return results
