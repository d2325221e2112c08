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

"""One power cut from beginning to end, with every claim checked."""

import concurrent.futures
import os
import re
import time

from pocketcloud import disk
from pocketcloud import graph
from pocketcloud import host
from pocketcloud import services
from pocketcloud import tenant

from powercut import client
from powercut import disk_check
from powercut import guest
from powercut import timeline

PERSISTENT = 'persistent'
CONTROL = 'control'
POD_SIGNAL = 44

# Seconds; guests are emulated, and slow.
BOOT_PATIENCE = 120
ACK_PATIENCE = 10
RECOVERY_PATIENCE = 120

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
    """One of the two servers and what is known of it."""

    def __init__(self, name):
        self.name = name
        self.properties = None
        self.guest = None
        self.writer = None
        self.before = None
        self.after = None
        self.keys_before = None
        self.keys_after = None

    @property
    def uuid(self):
        return self.properties['id']


class PowerCut:
    """The scenario; call run(), then read ``summary``.

    :param keys: how many keys each Redis is filled with
    :param story: timeline.Timeline
    """

    def __init__(self, keys, story):
        self._keys = keys
        self._story = story
        self._note = story.note
        self.persistent = Server(PERSISTENT)
        self.control = Server(CONTROL)
        self._both = [self.persistent, self.control]
        self._outage = None
        self._recovered = None

    def run(self):
        """Do it all; raises Failed at the first claim that does not hold."""
        self._story.chapter('Two servers')
        self._create()
        self._fill()
        self._story.chapter('The power fails')
        self._fixate()
        self._cut()
        self._story.chapter('The power is back')
        self._boot()
        self._story.chapter('What is left')
        self._check_persistent()
        self._check_control()
        self._check_disk()

    # -- before ------------------------------------------------------------

    def _create(self):
        client.delete(*[server.name for server in self._both])
        common = ['--flavor', tenant.FLAVOR, '--image', tenant.IMAGE,
                  '--network', tenant.NETWORK]
        for server, wish in ((self.persistent,
                              ['--property', 'persistent=true']),
                             (self.control, [])):
            command = ['openstack', 'server', 'create', *wish, *common,
                       server.name]
            self._note('$ ' + ' '.join(command))
            client.run(*command)
        for server in self._both:
            server.properties = client.wait_status(server.name, 'ACTIVE', 60)
            self._note('%s is ACTIVE' % server.name)
        # Nova leaves a plain server's files to the page cache, which writes
        # them back within half a minute. Old enough servers boot again.
        disk.sync_host_disk()
        for server in self._both:
            self._connect(server)
            life = server.guest.wait(BOOT_PATIENCE)
            self._note('%s: Redis answers on %s, %.0f s after the guest '
                       'booted' % (server.name,
                                   client.address(server.properties),
                                   life.uptime))

    def _connect(self, server):
        network = client.openstack('network', 'show', tenant.NETWORK)['id']
        server.guest = guest.Guest('qdhcp-' + network,
                                   client.address(server.properties))

    def _fill(self):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            list(executor.map(lambda server: server.guest.fill(self._keys),
                              self._both))
        self._note('%d keys in each Redis, in %.0f s'
                   % (self._keys, time.monotonic() - began))
        for server in self._both:
            server.writer = guest.Writer(server.guest)
        self._note('a steady writer for each has started; both guests write '
                   'files with fsync, too')
        time.sleep(3)
        for server in self._both:
            server.keys_before = server.guest.count(self._keys)
            check('%s has all its keys' % server.name,
                  server.keys_before == self._keys, server.keys_before)
        [armed] = [pvm for pvm in client.temporality('status')['pvms']
                   if pvm['name'] == self.persistent.uuid]
        check('the persistent server is armed', armed['state'] == 'armed',
              armed)
        self._note('temporality status: %s is armed' % self.persistent.name)

    # -- the outage --------------------------------------------------------

    def _fixate(self):
        for server in self._both:
            server.before = server.guest.life()
        [notifier] = [service for service in services.host()
                      if service.name == 'notifier']
        self._note('power outage detected: real-time signal %d to the '
                   'notifier' % POD_SIGNAL)
        self._story.power_fails()
        sent = time.time()
        os.kill(notifier.record.read().pid, POD_SIGNAL)
        self._outage = self._acknowledged(sent)
        [pvm] = [pvm for pvm in self._outage['pvms']
                 if pvm['name'] == self.persistent.uuid]
        check('the persistent server is fixated', pvm['result'] == 'fixated',
              pvm)
        self._note('%s: vCPUs stopped' % self.persistent.name,
                   sent + pvm['stopped_ms'] / 1e3)
        self._note('%s: state valid on NVRAM, %d KiB'
                   % (self.persistent.name, pvm['state_size'] // 1024),
                   sent + pvm['fixated_ms'] / 1e3)
        self._note('fixation acknowledged',
                   sent + self._outage['acknowledged_ms'] / 1e3)

    @staticmethod
    def _acknowledged(sent):
        while time.time() < sent + ACK_PATIENCE:
            outage = client.temporality('status')['last_outage']
            if outage and not outage['called_off']:
                return outage
            time.sleep(0.05)
        raise Failed('fixation is not acknowledged within %d s'
                     % ACK_PATIENCE)

    def _cut(self):
        self._note(host.power_cut())

    def _boot(self):
        began = time.monotonic()
        graph.run(host.tasks(), lambda name, seconds, done: self._note(
            '%s: %s' % (name, done or 'done')))
        self._note('the host is up, after %.0f s'
                   % (time.monotonic() - began))
        for server in self._both:
            self._note("%s: its writer's last acknowledged number is %d"
                       % (server.name, server.writer.join()))

    # -- after -------------------------------------------------------------

    def _reconnect(self, server):
        server.properties = client.wait_status(server.name, 'ACTIVE',
                                               RECOVERY_PATIENCE)
        self._connect(server)
        server.after = server.guest.wait(BOOT_PATIENCE)
        server.keys_after = server.guest.count(self._keys)

    def _check_persistent(self):
        server = self.persistent
        self._reconnect(server)
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
        # the last one may have been stored without anybody hearing of it
        check('the last acknowledged write is there',
              number in (acknowledged, acknowledged + 1),
              (acknowledged, number))
        self._note('%s: all %d keys, and the number %d'
                   % (server.name, server.keys_after, number))
        server.guest.write(guest.Writer.KEY, number + 1)
        check('it takes new writes',
              server.guest.read(guest.Writer.KEY) == number + 1)
        self._check_console(server)
        self._recovered = self._recovery_line(server)
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

    @staticmethod
    def _recovery_line(server):
        [service] = [service for service in services.host()
                     if service.name == 'nova-compute']
        lines = [line for line in service.log.read_text().splitlines()
                 if server.uuid in line and _RECOVERED.search(line)]
        check('nova-compute logged the recovery', lines)
        return _RECOVERED.search(lines[-1])

    def _check_control(self):
        server = self.control
        self._reconnect(server)
        check('the plain server was booted again',
              server.after.boot_id != server.before.boot_id)
        check('the plain server lost its keys', server.keys_after == 0,
              server.keys_after)
        check('what it wrote with fsync is still there',
              server.after.fsync > server.before.fsync,
              (server.before, server.after))
        self._note('%s: booted again, %d keys left'
                   % (server.name, server.keys_after))

    def _check_disk(self):
        server = self.persistent
        client.run('openstack', 'server', 'pause', server.name)
        client.wait_status(server.name, 'PAUSED', 30)
        try:
            written = disk_check.copy_and_check(
                disk_check.disk_of(server.uuid))
        finally:
            client.run('openstack', 'server', 'unpause', server.name)
        check('what it wrote with fsync is on its disk',
              written >= server.after.fsync, (written, server.after))
        client.wait_status(server.name, 'ACTIVE', 30)
        check('it runs on after the pause',
              server.guest.wait(30).boot_id == server.before.boot_id)
        self._note('%s: forced check of a copy of its disk: clean, %d '
                   'records written with fsync' % (server.name, written))

    def summary(self):
        """What came out, as lines of a table."""
        [pvm] = [pvm for pvm in self._outage['pvms']
                 if pvm['name'] == self.persistent.uuid]

        def row(name, describe):
            return [name] + [describe(server) for server in self._both]

        return timeline.table(['', PERSISTENT, CONTROL], [
            row('keys before', lambda server: server.keys_before),
            row('keys after', lambda server: server.keys_after),
            row('booted again', lambda server: 'no' if (
                server.before.boot_id == server.after.boot_id) else 'yes'),
            row('uptime before', lambda server: '%.0f s'
                % server.before.uptime),
            row('uptime after', lambda server: '%.0f s'
                % server.after.uptime),
            ['fixation', '%.1f ms' % pvm['fixated_ms'], '-'],
            ['  vCPUs stopped after', '%.1f ms' % pvm['stopped_ms'], '-'],
            ['  state', '%d KiB' % (pvm['state_size'] // 1024), '-'],
            ['recovery', '%s ms' % self._recovered['recovery'], '-'],
            ['dark', '%s s' % self._recovered['dark'], ''],
        ])
