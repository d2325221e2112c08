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

"""One and sixteen running Linux guests: fixation and recovery, by the clock.

All is real but libvirt and Nova: the notifier gets signal 44, and its timeline
is read from the pool's ring.
"""

import concurrent.futures
import os
import shutil
import statistics
import threading
import time

from bench.fixation import machines
from nova_temporality.qemu import incoming
from nova_temporality.vpm import runlock


def percentiles(values):
    """Return p50 and p99 in milliseconds, rounded."""
    values = sorted(values)
    return {'p50': round(statistics.median(values), 2),
            'p99': round(values[min(len(values) - 1,
                                    int(len(values) * 0.99))], 2)}


def fixation_ms(outcomes):
    """Return the milliseconds from the signal to the last marker."""
    return max(one.fixated_ns - one.signal_ns for one in outcomes) / 1e6


class Fleet:
    """Linux guests that run.

    One is booted; the others begin as copies of it, which saves minutes.
    """

    def __init__(self, site, image, count):
        self.site = site
        self.guests = [
            site.machine('guest-%02d' % i,
                         machines.linux_args(site, image, 'guest-%02d' % i))
            for i in range(count)]
        first = self.guests[0]
        first.boot()
        machines.wait_for(lambda: machines.booted(first), 'the guest boots',
                          0.1)
        time.sleep(2)
        if count > 1:
            self._copy()
        site.start_notifier()
        site.wait_armed()

    def _copy(self):
        first = self.guests[0]
        self.site.start_notifier()
        self.site.call('fixate')
        state = _read_state(self.site.pool, first.region)
        for one in self.guests[1:]:
            shutil.copyfile(first.region.ram_path, one.region.ram_path)
            shutil.copyfile(_disk(first), _disk(one))
        self.site.stop_notifier()
        first.kill()
        for one in self.guests:
            one.load(state)

    def round(self):
        """Let the power fail and return; return the outcomes."""
        outcomes = self.site.power_fails()
        failed = [one for one in outcomes if one.result != 'fixated']
        if failed:
            raise RuntimeError(failed[0].reason)
        self.site.call('resume')
        self.site.wait_armed()
        return outcomes


def _disk(machine):
    return machine.site.disks / (machine.name + '.qcow2')


def _read_state(pool, region):
    ours, theirs = os.pipe()
    parts = []

    def read():
        while part := os.read(ours, 1 << 20):
            parts.append(part)
    reader = threading.Thread(target=read)
    reader.start()
    pool.send_state(region.id, theirs)
    os.close(theirs)
    reader.join()
    os.close(ours)
    return b''.join(parts)


def measure(image, count, rounds):
    """Return times of fixations and of a recovery, and all outcomes."""
    with machines.Site(size=(count + 2) * machines.LINUX_MEMORY) as site:
        fleet = Fleet(site, image, count)
        fleet.round()
        load = os.getloadavg()[0]
        taken = [fleet.round() for _ in range(rounds)]
        fleet.site.power_fails()
        recovered = recover(fleet)
    return {
        'fixation_ms': percentiles(
            [fixation_ms(outcomes) for outcomes in taken]),
        'stopped_ms': percentiles(
            [max(one.stopped_ns - one.signal_ns for one in outcomes) / 1e6
             for outcomes in taken]),
        'signal_to_first_stop_us': round(statistics.median(
            [min(one.command_ns - one.signal_ns for one in outcomes) / 1e3
             for outcomes in taken]), 1),
        'recovery_ms': round(recovered * 1000),
        'rounds': rounds,
        'host_load': round(load, 2),
    }, taken


def recover(fleet):
    """Let all QEMUs end and recover their guests; return the seconds."""
    fleet.site.stop_notifier()
    for one in fleet.guests:
        one.kill()
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(fleet.guests)) as pool:
        list(pool.map(recover_one, fleet.guests))
    return time.monotonic() - start


def recover_one(machine):
    """Do what nova-compute does, without libvirt."""
    pool = machine.site.pool
    machine.start('-incoming', 'defer')
    with machine.monitor() as monitor:
        incoming.load_state(monitor, pool, machine.region,
                            machines.PATIENCE)
        with runlock.RunLock(machine.region):
            pool.begin_epoch(machine.region.id)
            monitor.command('cont')
