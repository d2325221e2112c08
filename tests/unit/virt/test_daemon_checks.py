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

"""temporality-status upgrade check: notifier and engine."""

import pathlib

import fixtures

from nova_temporality.host import daemons
from nova_temporality.notifier import client
from nova_temporality import version
from tests.framework import procfs
from tests.unit.virt import check_base

FINE = check_base.FINE
WARNING = check_base.WARNING
FAILURE = check_base.FAILURE


class NotifierTest(check_base.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.status = {'pvms': [], 'version': version.version()}
        self.notifier = self.useFixture(fixtures.MockPatchObject(
            client, 'call', return_value=self.status)).mock

    def test_armed_servers(self):
        self.status['pvms'] = [{'name': 'one', 'state': 'armed'},
                               {'name': 'two', 'state': 'off'}]
        self.check('notifier', FINE, version.version())
        self.status['pvms'].append({'name': 'bare', 'state': 'not armed'})
        self.check('notifier', WARNING, 'bare')

    def test_sources(self):
        source = {'name': 'nut', 'detail': 'upsd is away', 'problem': None,
                  'is_sound': False}
        self.status['sources'] = [source]
        self.check('notifier', WARNING, 'nut', 'upsd is away')
        source['problem'] = 'nut_password'
        self.check('notifier', WARNING, 'nut_password')
        source['is_sound'] = True
        self.check('notifier', FINE)

    def test_refuses(self):
        self.notifier.side_effect = client.NotifierError('only by root')
        self.check('notifier', WARNING, 'only by root')

    def test_down(self):
        self.notifier.side_effect = client.NotifierDown('start it')
        self.check('notifier', FAILURE, 'start it')

    def test_engine_away(self):
        self.status['engine_problem'] = 'gone'
        self.check('notifier', FAILURE, 'the engine is away (gone)')

    def test_another_version(self):
        self.status['version'] = '0.1'
        self.check('notifier', WARNING, '0.1', version.version(), 'restart')
        del self.status['version']
        self.check('notifier', WARNING, 'unknown', 'restart')


class LimitsTest(check_base.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.proc = procfs.Procfs(pathlib.Path(self.top))
        self.checks.procfs = str(self.proc.path)

    def test_none_runs(self):
        self.check('engine_limits', WARNING, 'temporality-engine')
        self.check('notifier_limits', WARNING, 'temporality-notifier')

    def test_enough(self):
        self.proc.daemon(7, daemons.ENGINE)
        self.proc.daemon(8, daemons.NOTIFIER, files='unlimited')
        self.check('engine_limits', FINE, '65536')
        self.check('notifier_limits', FINE, 'unlimited')

    def test_too_few_files(self):
        self.proc.daemon(7, daemons.ENGINE, files='100')
        self.proc.daemon(8, daemons.NOTIFIER, files='64')
        self.check('engine_limits', WARNING, '100', 'LimitNOFILE')
        self.check('notifier_limits', WARNING, '64', 'LimitNOFILE')

    def test_engine_locks_little(self):
        self.proc.daemon(7, daemons.ENGINE, memory='8388608')
        self.check('engine_limits', WARNING, '8388608', 'LimitMEMLOCK')

    def test_engine_was_replaced(self):
        self.proc.daemon(7, daemons.ENGINE, program='/engine (deleted)')
        self.check('engine_limits', WARNING, 'PID 7', 'reload')

    def test_small_pipes(self):
        self.proc.daemon(8, daemons.NOTIFIER, capabilities=0)
        self.check('notifier_limits', FINE)
        self.proc.sysctl('fs.pipe-user-pages-soft', 500)
        self.check('notifier_limits', WARNING, '500', 'CAP_SYS_RESOURCE',
                   'fs.pipe-user-pages-soft')
        self.proc.sysctl('fs.pipe-user-pages-soft', 0)
        self.check('notifier_limits', FINE)

    def test_small_pipes_are_for_others(self):
        self.proc.daemon(8, daemons.NOTIFIER, capabilities=1 << 24)
        self.proc.sysctl('fs.pipe-user-pages-soft', 500)
        self.check('notifier_limits', FINE)

    def test_no_pool(self):
        self.override('pool_path', '/nonexistent')
        self.proc.daemon(7, daemons.ENGINE)
        self.check('engine_limits', WARNING, 'NVRAM pool')
