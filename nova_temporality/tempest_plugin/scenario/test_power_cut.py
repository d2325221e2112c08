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

"""The power cut, as the owners of servers see it."""

from collections import abc
import json

from tempest import config
from tempest.lib import decorators

from nova_temporality.tempest_plugin import base
from nova_temporality.tempest_plugin import guest

CONF = config.CONF
_POWER_CUT = 600  # seconds, until the host is up again


# The power fails for all servers, so no other tests may run.
@decorators.serial
class PowerCutTest(base.PersistentServersTest):
    """A server that runs, and one that its owner suspended or paused."""

    @classmethod
    def skip_checks(cls) -> None:
        super().skip_checks()
        if not CONF.temporality.power_cut_command:
            raise cls.skipException('[temporality] power_cut_command is not '
                                    'set')

    def _stop(self, server_id: str
              ) -> tuple[str, abc.Callable[[str], object]]:
        """Suspend or pause; return the status, and what undoes it."""
        if CONF.compute_feature_enabled.suspend:
            self.servers_client.suspend_server(server_id)
            self.wait(server_id, 'SUSPENDED')
            return 'SUSPENDED', self.servers_client.resume_server
        self.servers_client.pause_server(server_id)
        self.wait(server_id, 'PAUSED')
        return 'PAUSED', self.servers_client.unpause_server

    def _actions(self, server_id: str) -> list[str]:
        # A recovery was requested by no user, and Nova's API says so. The
        # schema of tempest's own client does not allow that.
        _response, body = self.servers_client.get(
            'servers/%s/os-instance-actions' % server_id)
        return [action['action']
                for action in json.loads(body)['instanceActions']]

    @decorators.attr(type='slow')
    @decorators.idempotent_id('fe62b335-954a-4374-8c60-0830aa709dff')
    def test_power_cut(self) -> None:
        running = self.make_server(self.persistent_flavor)['id']
        still = self.make_server(self.persistent_flavor)['id']
        before = {server: self.life(server) for server in (running, still)}
        status, undo = self._stop(still)

        guest.run(CONF.temporality.power_cut_command, _POWER_CUT)

        self.assert_ran_on(running, before[running])
        self.wait(running, 'ACTIVE')
        self.assertIn('temporality_recover', self._actions(running))

        self.wait(still, status)
        undo(still)
        self.wait(still, 'ACTIVE')
        self.assert_ran_on(still, before[still])

        for server in running, still:
            self.assert_nvram(server, self.size['ram'])
