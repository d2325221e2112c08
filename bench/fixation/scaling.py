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

"""Fixation of a 64 GiB machine over that of a 1 GiB one, under KVM.

The memory is sparse: what is measured is what QEMU and KVM do about memory
that exists, not what is in it. The file lies outside of the pool, which would
reserve its space.
"""

import os
import statistics
import time

from bench.fixation import machines
from nova_temporality.host import paths
from nova_temporality.notifier import power
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp
from nova_temporality.qemu import route
from nova_temporality.vpm import engine
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock

GIB = 1 << 30


class Armed:
    """A machine that an engine fixates at our word alone."""

    def __init__(self, site, fixator, machine):
        self.site = site
        self.machine = machine
        self._note = engine.Note(str(site.path / (machine.name + '.note')))
        self._unit = engine.Unit(fixator, machine.region, self._note)
        self._lock = runlock.RunLock(machine.region)

    def chosen_route(self):
        """Which route the notifier would take."""
        with self.machine.monitor() as monitor:
            return route.choose(monitor, self.machine.memory,
                                machines.PATIENCE)[0]

    def fixate(self, way):
        """Fixate it and let it run on.

        :returns: milliseconds that it took, and CPU milliseconds of QEMU
        """
        client = qmp.QmpClient(paths.fixate_socket(
            self.site.run_dir, self.machine.name), machines.PATIENCE)
        ours, theirs = os.pipe()
        client.getfd(engine.STREAM_NAME, theirs)
        self._unit.arm(qmp=client, stream=ours, lock=self._lock,
                       pid=client.pid, route=way, runstate='running')
        client.close()
        os.close(ours)
        os.close(theirs)
        before_ns = self._cpu_ns()
        event = power.PowerEvent.now('bench')
        self._unit.fire(event, event.monotonic_ns + 20 * 10**9)
        outcome = self._unit.wait()
        if outcome.result != outcomes.FIXATED:
            raise RuntimeError(outcome.reason)
        used_ns = self._cpu_ns() - before_ns
        with self.machine.monitor() as monitor:
            migration.clean_up(monitor, machines.PATIENCE)
            self.site.pool.begin_epoch(self.machine.region.id)
            monitor.command('cont')
        return (outcome.fixated_ns - outcome.signal_ns) / 1e6, used_ns / 1e6

    def _cpu_ns(self):
        # CPU time of all threads of a process, see clock_getcpuclockid(3)
        return time.clock_gettime_ns(~self.machine.process.pid << 3 | 2)


def measure(rounds):
    """Return times per size, display and route, and the ratio."""
    with machines.Site() as site:
        fixator = site.start_engine(threads=1)
        ways, armed, times, used = {}, {}, {}, {}
        for display in ('none', 'virtio'):
            for gib in (1, 64):
                name = '%d-GiB-%s' % (gib, display)
                path = site.path / name
                path.touch()
                os.truncate(path, gib * GIB)
                machine = machines.firmware(
                    site, name, gib * GIB, '-vga', display, file=str(path))
                machine.boot()
                armed[gib, display] = Armed(site, fixator, machine)
        time.sleep(3)
        for key, one in armed.items():
            ways[key] = one.chosen_route()
        for _ in range(rounds):
            for key, one in armed.items():
                for way in (route.MIGRATE, route.SNAPSHOT):
                    took_ms, cpu_ms = one.fixate(way)
                    times.setdefault((*key, way), []).append(took_ms)
                    used.setdefault((*key, way), []).append(cpu_ms)
                    time.sleep(0.02)
        medians = {key: statistics.median(values)
                   for key, values in times.items()}
        chosen = {key: medians[(*key, way)] for key, way in ways.items()}
        return {
            'ram_scaling_kvm': round(chosen[64, 'none'] / chosen[1, 'none'],
                                     2),
            'ram_scaling_kvm_virtio_vga': round(
                chosen[64, 'virtio'] / chosen[1, 'virtio'], 2),
            'ram_scaling_ms': _by_name(medians, ways),
            'ram_scaling_cpu_ms': _by_name(
                {key: statistics.median(values)
                 for key, values in used.items()}, ways),
        }


def _by_name(medians, ways):
    return {
        '%d GiB, display %s, %s%s' % (
            gib, display, way,
            ' (chosen)' if ways[gib, display] == way else ''):
        round(value, 2)
        for (gib, display, way), value in sorted(medians.items())}
