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

"""A power cut from beginning to end, with every claim checked."""

import concurrent.futures
import os
import re
import time

from pocketcloud import disk
from pocketcloud import graph
from pocketcloud import host
from pocketcloud import layout
from pocketcloud import nvram
from pocketcloud import services
from pocketcloud import tenant

from demo import vaulting
from pocketcloud import client
from pocketcloud import guest

POD_SIGNAL = 44

# Seconds in which all servers are fixated, on a slow and busy machine.
_ACKNOWLEDGED_WITHIN = 30

# The notifier's log: the vault is complete, its manifest too.
_VAULTED = 'are durable in the vault'

_RECOVERED = re.compile(
    r'Recovered: fixated in (?P<fixation>[\d.]+) ms \((?P<size>\d+) KiB of '
    r'state\), dark for (?P<dark>[\d.]+) s, recovered in '
    r'(?P<recovery>[\d.]+) ms')


class Failed(Exception):
    """A claim does not hold."""


def check(claim, holds, details=''):
    """Raise Failed unless a claim holds."""
    if not holds:
        raise Failed('NOT TRUE: %s %s' % (claim, details))


class Server:
    """One of the servers and what is known of it.

    :param options: how it is created, beside what all have in common
    """

    def __init__(self, name, *options, flavor=tenant.FLAVOR,
                 persistent=True):
        self.name = name
        self.options = options
        self.flavor = flavor
        self.persistent = persistent
        self.properties = None
        self.guest = None
        self.writer = None
        self.before = None
        self.after = None
        self.keys_before = None
        self.keys_after = None
        self.recovered = None

    @property
    def uuid(self):
        return self.properties['id']


class Scenario:
    """A power cut and its servers; call run(), then summary_rows().

    Subclasses say which servers, what they do and what has to become of them.

    :param servers: list of Server
    :param keys: how many keys each Redis is filled with
    :param length: characters of a value
    :param events: timeline.Timeline
    """

    def __init__(self, servers, keys, length, events):
        self.servers = servers
        self._keys = keys
        self._length = length
        self._events = events
        self._note = events.note
        self._outage = None
        self._report = None

    @property
    def persistent_servers(self):
        return [server for server in self.servers if server.persistent]

    def run(self):
        """Run the scenario; raises Failed at a claim that does not hold."""
        self._events.section('%d servers' % len(self.servers))
        self._create()
        self._fill()
        self._work()
        self._check_before()
        self._events.section('The power fails')
        self._fixate()
        self._note(host.power_cut())
        self._events.section('The power is back')
        self._boot()
        self._wait_recovered()
        self._events.section('What is left')
        self._check_after()

    def _work(self):
        """Start the work that the power cut interrupts."""
        for server in self.servers:
            server.writer = guest.Writer(server.guest)
        self._note('a steady writer for each has started; the guests write '
                   'files with fsync, too')
        time.sleep(3)

    def _check_before(self):
        """Check that all is as it should be when the power fails."""
        raise NotImplementedError

    def _check_after(self):
        """Check what has become of the servers."""
        raise NotImplementedError

    # -- before ------------------------------------------------------------

    def _create(self):
        client.delete(*[server.name for server in self.servers])
        for server in self.servers:
            command = ['openstack', 'server', 'create', *server.options,
                       '--flavor', server.flavor, '--image', tenant.IMAGE,
                       '--network', tenant.NETWORK, server.name]
            self._note('$ ' + ' '.join(command))
            client.run(*command)
        for server in self.servers:
            server.properties = client.wait_status(server.name, 'ACTIVE')
            self._note('%s is ACTIVE' % server.name)
        # Nova leaves a plain server's files to the page cache, which writes
        # them back within half a minute. Old enough servers boot again.
        disk.sync_host_disk()
        for server in self.servers:
            self._connect(server)
            life = server.guest.wait()
            self._note('%s: Redis answers on %s, %.0f s after the guest '
                       'booted' % (server.name,
                                   client.address(server.properties),
                                   life.uptime))

    def _connect(self, server):
        network = client.openstack('network', 'show', tenant.NETWORK)['id']
        server.guest = guest.Guest('qdhcp-' + network,
                                   client.address(server.properties),
                                   self._length)

    def _at_once(self, function):
        """Call a function with every server, all at the same time."""
        with concurrent.futures.ThreadPoolExecutor(
                len(self.servers)) as executor:
            return list(executor.map(function, self.servers))

    def _fill(self):
        began = time.monotonic()
        self._at_once(lambda server: server.guest.fill(self._keys))
        self._note('%d keys in each Redis, in %.0f s'
                   % (self._keys, time.monotonic() - began))

    def _count_before(self):
        counts = self._at_once(lambda server: server.guest.count(self._keys))
        for server, count in zip(self.servers, counts):
            server.keys_before = count
            check('%s has all its keys' % server.name, count == self._keys,
                  count)

    def _check_armed(self):
        states = {pvm['name']: pvm
                  for pvm in client.temporality('status')['pvms']}
        for server in self.persistent_servers:
            pvm = states[server.uuid]
            check('%s is armed' % server.name, pvm['state'] == 'armed', pvm)
            self._note('temporality status: %s is armed' % server.name)
        if nvram.kind() == nvram.VAULTED:
            self._note('temporality status: %s' % vaulting.forecast(
                client.temporality('status')['vault']))

    # -- the outage --------------------------------------------------------

    def _fixate(self):
        for server in self.servers:
            server.before = server.guest.wait()
        engine = services.of_host('engine')
        self._note('power outage detected: real-time signal %d to the '
                   'engine' % POD_SIGNAL)
        self._events.power_fails()
        notifier = services.of_host('notifier').log
        told = notifier.stat().st_size
        sent = time.time()
        os.kill(engine.record.read().pid, POD_SIGNAL)
        self._outage = self._acknowledged(sent)
        for server in self.persistent_servers:
            pvm = self.fixation(server)
            check('%s is fixated' % server.name, pvm['result'] == 'fixated',
                  pvm)
            self._note('%s: vCPUs stopped' % server.name,
                       sent + pvm['stopped_ms'] / 1e3)
            self._note('%s: state valid in the pool, %d KiB'
                       % (server.name, pvm['state_size'] // 1024),
                       sent + pvm['fixated_ms'] / 1e3)
        self._note('fixation acknowledged',
                   sent + self._outage['acknowledged_ms'] / 1e3)
        if nvram.kind() == nvram.VAULTED:
            self._wait_vaulted(notifier, told)

    def _wait_vaulted(self, log, told):
        """Wait until all is durable in the vault; the supply lasts so long."""
        deadline = time.time() + layout.VAULT_HOLD_UP
        while _VAULTED not in log.read_bytes()[told:].decode(errors='replace'):
            check('the vault is complete within the hold-up time',
                  time.time() < deadline)
            time.sleep(0.05)
        self._outage = client.temporality('status')['last_outage']
        found = {name: about
                 for name, *about in vaulting.servers(self._outage)}
        for server in self.persistent_servers:
            size, durable = found.get(server.uuid, (0, None))
            check('%s is durable in the vault' % server.name, durable,
                  self._outage['vault'])
            self._note('%s: durable in the vault, %.1f MiB written'
                       % (server.name, size / (1 << 20)), durable)
        self._note(vaulting.budget(self._outage))

    def fixation(self, server):
        """What the notifier's report says of a server."""
        [pvm] = [pvm for pvm in self._outage['pvms']
                 if pvm['name'] == server.uuid]
        return pvm

    @staticmethod
    def _acknowledged(sent):
        while time.time() < sent + _ACKNOWLEDGED_WITHIN:
            outage = client.temporality('status')['last_outage']
            if outage and not outage['called_off']:
                return outage
            time.sleep(0.05)
        raise Failed('fixation is not acknowledged within %d s'
                     % _ACKNOWLEDGED_WITHIN)

    def _boot(self):
        began = time.monotonic()
        graph.run(host.tasks(), lambda name, seconds, done: self._note(
            '%s: %s' % (name, done or 'done')))
        self._note('the host is up, after %.0f s'
                   % (time.monotonic() - began))
        for server in self.servers:
            self._note("%s: its writer's last acknowledged number is %d"
                       % (server.name, server.writer.join()))

    def _wait_recovered(self):
        """Wait for what begins when nova-compute counts as up."""
        self._note('each persistent server is recovered when Nova counts the '
                   'host as up')
        for server in self.persistent_servers:
            server.recovered = self._recovery(server)
            self._note('%s: recovered, in %s ms'
                       % (server.name, server.recovered['recovery']))
        if nvram.kind() == nvram.VAULTED:
            self._report = self._restored()
            self._note(vaulting.restore(
                self._report,
                [server.uuid for server in self.persistent_servers]))

    def _restored(self):
        """Wait until the report of the outage has that servers run."""
        deadline = time.monotonic() + client.PATIENCE
        while True:
            report = client.temporality('outage', 'report')
            if all(vaulting.back_s(report, server.uuid)
                   for server in self.persistent_servers):
                return report
            check('the report has what was recovered',
                  time.monotonic() < deadline, report)
            time.sleep(0.5)

    @staticmethod
    def _recovery(server):
        """Wait for it; return what nova-compute logs of it."""
        log = services.of_host('nova-compute').log
        deadline = time.monotonic() + client.PATIENCE
        while True:
            lines = [line for line in log.read_text().splitlines()
                     if server.uuid in line and _RECOVERED.search(line)]
            if lines:
                return _RECOVERED.search(lines[-1])
            check('nova-compute logs the recovery of %s' % server.name,
                  time.monotonic() < deadline)
            time.sleep(0.2)

    # -- after -------------------------------------------------------------

    def _reconnect(self):
        for server in self.servers:
            server.properties = client.wait_status(server.name, 'ACTIVE')
            self._connect(server)
            server.after = server.guest.wait()
        counts = self._at_once(lambda server: server.guest.count(self._keys))
        for server, count in zip(self.servers, counts):
            server.keys_after = count

    def _check_survived(self, server):
        check('it was not booted again',
              server.after.boot_id == server.before.boot_id,
              (server.before, server.after))
        check('its uptime runs on',
              server.after.uptime >= server.before.uptime,
              (server.before, server.after))
        self._note('%s: same boot id, uptime ran on from %.0f to %.0f s'
                   % (server.name, server.before.uptime,
                      server.after.uptime))
        check('every key is there with its value',
              server.keys_after == self._keys, server.keys_after)
        number = server.guest.read(guest.Writer.KEY)
        acknowledged = server.writer.acknowledged
        # The last one may have been stored, and its reply lost.
        check('the last acknowledged write is there',
              number in (acknowledged, acknowledged + 1),
              (acknowledged, number))
        self._note('%s: all %d keys, and the number %d'
                   % (server.name, server.keys_after, number))
        server.guest.write(guest.Writer.KEY, number + 1)
        check('it takes new writes',
              server.guest.read(guest.Writer.KEY) == number + 1)
        self._check_console(server)
        events = [event['Action'] for event in client.openstack(
            'server', 'event', 'list', server.name)]
        check('Nova tells of its recovery', 'temporality_recover' in events,
              events)

    def _check_console(self, server):
        deadline = time.monotonic() + 30
        while True:
            console = client.run('openstack', 'console', 'log', 'show',
                                 server.name)
            ups = [float(up) for up in
                   re.findall(r'^init: up since ([\d.]+) s', console, re.M)]
            if ups and ups[-1] > server.before.uptime:
                break
            check('its console lives', time.monotonic() < deadline,
                  console[-300:])
            time.sleep(1)
        self._note('%s: network and console live' % server.name)

    # -- results -----------------------------------------------------------

    def summary_rows(self):
        """Results: lists of a name and a value for each server."""
        def row(name, describe):
            return [name] + [describe(server) for server in self.servers]

        def of_survivors(name, describe):
            return row(name, lambda server: describe(server)
                       if server.persistent else '-')

        vaulted = [
            of_survivors('  durable in the vault after', lambda server:
                         '%.2f s' % vaulting.durable_s(self._report,
                                                       server.uuid)),
            of_survivors('restore began to running', lambda server:
                         '%.1f s' % vaulting.back_s(self._report,
                                                    server.uuid)),
        ] if self._report else []
        return [
            row('keys before', lambda server: server.keys_before),
            row('keys after', lambda server: server.keys_after),
            row('booted again', lambda server: 'no' if (
                server.before.boot_id == server.after.boot_id) else 'yes'),
            row('uptime before', lambda server: '%.0f s'
                % server.before.uptime),
            row('uptime after', lambda server: '%.0f s'
                % server.after.uptime),
            of_survivors('fixation', lambda server: '%.1f ms'
                         % self.fixation(server)['fixated_ms']),
            of_survivors('  vCPUs stopped after', lambda server: '%.1f ms'
                         % self.fixation(server)['stopped_ms']),
            of_survivors('  state', lambda server: '%d KiB'
                         % (self.fixation(server)['state_size'] // 1024)),
            *vaulted,
            of_survivors('recovery', lambda server: '%s ms'
                         % server.recovered['recovery']),
            of_survivors('dark', lambda server: '%s s'
                         % server.recovered['dark']),
        ]
