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

"""What a host does, and its servers, when power is back.

The ways of nova_temporality/virt/recovery are followed step by step: one
thread for each server, which asks Nova, waits for storage, asks again, has a
slot while its QEMU starts, asks again, and runs.
"""

import simpy

from bench.region import queues
from bench.region import sharing

# Seconds between two looks at nova-compute's service, and two pings of a
# nova-conductor that does not answer.
_POLL = 1.0


class NotOwner(Exception):
    """A server may be evacuated at any moment, so it does not run here."""


class StorageAway(Exception):
    """Storage refuses connections."""


class Gone(Exception):
    """A server was evacuated."""


class Server:
    """A server.

    :ivar ends: what became of it and when: "resumed", "booted" or "evacuated"
    :ivar is_taken: whether Nova has accepted its evacuation
    """

    def __init__(self, is_persistent):
        self.is_persistent = is_persistent
        self.ends = []
        self.is_taken = False


class Host:
    """A host with its nova-compute.

    :param region: model.Region
    :param back: when Linux is up on it
    :ivar reported: when Nova had its last report; None before the first
    """

    def __init__(self, region, back):
        inputs = region.inputs
        self.region = region
        self.env = region.env
        self.inputs = inputs
        self.reported = None
        self.servers = [
            Server(number < inputs['servers_per_host'])
            for number in range(inputs['servers_per_host'] +
                                inputs['ordinary_servers_per_host'])]
        self._back = back
        self._reports = 0
        # As service.Service has them.
        self._asked = self._last = self._made = None
        self._turn = simpy.Resource(self.env)
        self._slots = simpy.Resource(self.env, min(
            inputs['parallel'], inputs['libvirt_threads']))
        self._asking = simpy.Resource(
            self.env, inputs['asking'] or len(self.servers) + 1)
        self._processors = sharing.Shared(
            self.env, inputs['host_processors'], 1)
        self._sweep_until = None
        self.env.process(self._start())

    def is_up(self):
        """Whether the host counts as up in Nova."""
        return self.reported is not None and (
            self.env.now - self.reported < self.inputs['service_down_time'])

    def _start(self):
        region, inputs = self.region, self.inputs
        yield self.env.timeout(self._back + inputs['compute_start'])
        if self.env.now < inputs['control_plane_back']:
            yield self.env.timeout(
                inputs['control_plane_back'] - self.env.now +
                region.chance.uniform(0, inputs['reconnect']))
        yield from self._ask_until_answered(inputs['start_questions'])
        # service.Service.note_last_report()
        self._asked, self._last = self.env.now, self._reports
        for server in self.servers:
            if not server.is_persistent and not server.is_taken:
                yield from self._ask_until_answered(inputs['boot_questions'])
                yield self.env.timeout(inputs['boot_define'])
                yield from region.network.ask()
                self.env.process(self._boot(server))
        self.env.process(self._report())
        for server in self.servers:
            if server.is_persistent:
                self.env.process(self._keep(server))

    def _ask_until_answered(self, questions):
        while questions:
            try:
                yield from self.region.nova.ask()
                questions -= 1
            except queues.TimedOut:
                yield self.env.timeout(_POLL)

    def _boot(self, server):
        yield from boot(self.region)
        self.region.end(server, 'booted')

    def _report(self):
        """As Nova's periodic task does."""
        interval = self.inputs['report_interval']
        while True:
            began = self.env.now
            try:
                yield from self.region.nova.ask()
                self.reported = self.env.now
                self._reports += 1
            except queues.TimedOut:
                pass
            yield self.env.timeout(
                max(0.0, began + interval - self.env.now))

    def _look(self):
        """Ask for the service, as service.Service does."""
        asked = self.env.now
        yield from self.region.nova.ask()
        if self._asked is not None and asked < self._asked:
            return
        if self._asked is not None and self._reports != self._last:
            self._made = self._asked
        self._last = self._reports
        self._asked = asked

    def _is_fresh(self):
        return self._made is not None and (
            self.env.now - self._made < self.inputs['service_down_time'] / 2)

    def _wait_up(self):
        with self._turn.request() as turn:
            yield turn
            # The report is made while it is waited for.
            was_down = self._made is None
            while True:
                try:
                    yield from self._look()
                except queues.TimedOut:
                    pass
                if self._is_fresh():
                    break
                was_down = True
                yield self.env.timeout(_POLL)
            if was_down:
                yield self.env.timeout(self.inputs['settle'])

    def _confirm(self, server):
        """As ownership.confirm() does; some of them at a time."""
        with self._asking.request() as turn:
            yield turn
            yield from self._look()
            was_fresh = self._is_fresh()
            for _ in range(self.inputs['fresh_looks']):
                if self._is_fresh():
                    break
                yield self.env.timeout(_POLL)
                yield from self._look()
            self._check_fresh()
            if not was_fresh:
                yield self.env.timeout(self.inputs['settle'])
            yield from self.region.nova.ask(
                self.inputs['confirm_questions'] - 1)
            if server.is_taken:
                raise Gone
            self._check_fresh()

    def _check_fresh(self):
        if not self._is_fresh():
            raise NotOwner

    def _keep(self, server):
        """As keeper.Keeper does."""
        inputs = self.inputs
        delay = inputs['delay_min']
        while True:
            try:
                yield from self._recover(server)
                break
            except Gone:
                break
            except (queues.TimedOut, NotOwner, StorageAway):
                self.region.failed_tries += 1
            yield self.env.timeout(
                delay * (1 - inputs['jitter'] * self.region.chance.random()))
            delay = min(2 * delay, inputs['delay_max'])
        self._sweep()

    def _recover(self, server):
        inputs, region = self.inputs, self.region
        yield from self._wait_up()
        yield from self._confirm(server)
        yield from self._confirm(server)
        if not region.storage.is_open():
            raise StorageAway
        yield region.storage.use(work_of_storage(
            inputs, inputs['recovery_mib'], inputs['recovery_requests']))
        yield from self._confirm(server)
        yield from region.nova.ask(inputs['begin_questions'])
        self.env.process(region.network.ask())
        with self._slots.request() as slot:
            yield slot
            yield self._processors.use(
                inputs['start_seconds'] + inputs['load_seconds'])
        yield from self._confirm(server)
        if server.is_taken:
            raise Gone
        region.end(server, 'resumed')
        try:
            yield from region.nova.ask(inputs['finish_questions'])
        except queues.TimedOut:
            # The next try begins there; the server runs.
            region.failed_tries += 1

    def _sweep(self):
        """As sweep.Sweep does: one thread for all."""
        runs = self._sweep_until is not None
        self._sweep_until = self.env.now + self.inputs['sweep_seconds']
        if not runs:
            self.env.process(self._sweep_on())

    def _sweep_on(self):
        while self.env.now < self._sweep_until:
            try:
                yield from self.region.nova.ask()
            except queues.TimedOut:
                pass
            yield self.env.timeout(self.inputs['sweep_interval'])
        self._sweep_until = None


def work_of_storage(inputs, mib, requests):
    """How long one host's share of the storage works for that, in seconds."""
    return max(mib / inputs['storage_mib'],
               requests / inputs['storage_requests'])


def boot(region):
    """Boot a server afresh, until its programs serve."""
    inputs = region.inputs
    yield region.storage.use(work_of_storage(
        inputs, inputs['boot_mib'], inputs['boot_requests']))
    yield region.env.timeout(inputs['boot_processor'])
