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

"""A persistent server beside a plain one."""

from demo import disk_check
from demo import scenario
from pocketcloud import client

PERSISTENT = 'persistent'
CONTROL = 'control'

_VALUE_LENGTH = 64


class ResidentPowerCut(scenario.Scenario):
    """One server survives the power cut, the other one does not."""

    def __init__(self, keys, events):
        self.persistent = scenario.Server(PERSISTENT, '--property',
                                          'persistent=true')
        self.control = scenario.Server(CONTROL, persistent=False)
        super().__init__([self.persistent, self.control], keys,
                         _VALUE_LENGTH, events)

    def _check_before(self):
        self._count_before()
        self._check_armed()

    def _check_after(self):
        self._reconnect()
        self._check_survived(self.persistent)
        self._check_control()
        self._check_disk()

    def _check_control(self):
        server = self.control
        scenario.check('the plain server was booted again',
                       server.after.boot_id != server.before.boot_id)
        scenario.check('the plain server lost its keys',
                       server.keys_after == 0, server.keys_after)
        scenario.check('what it wrote with fsync is still there',
                       server.after.fsync > server.before.fsync,
                       (server.before, server.after))
        self._note('%s: booted again, %d keys left'
                   % (server.name, server.keys_after))

    def _check_disk(self):
        server = self.persistent
        client.run('openstack', 'server', 'pause', server.name)
        client.wait_status(server.name, 'PAUSED')
        try:
            written = disk_check.copy_and_check(
                disk_check.disk_of(server.uuid))
        finally:
            client.run('openstack', 'server', 'unpause', server.name)
        scenario.check('what it wrote with fsync is on its disk',
                       written >= server.after.fsync,
                       (written, server.after))
        client.wait_status(server.name, 'ACTIVE')
        scenario.check('it runs on after the pause',
                       server.guest.wait().boot_id == server.before.boot_id)
        self._note('%s: forced check of a copy of its disk: clean, %d '
                   'records written with fsync' % (server.name, written))
