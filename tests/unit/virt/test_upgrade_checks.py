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

"""temporality-status upgrade check."""

import os
import shutil
import tempfile
from unittest import mock

import fixtures
import libvirt
from nova.privsep import utils as nova_privsep_utils
from oslo_upgradecheck import upgradecheck

from nova_temporality import conf
from nova_temporality.host import budget
from nova_temporality.notifier import client
from nova_temporality.privsep import regions
from nova_temporality.virt import upgrade_checks
from tests.framework import pools
from tests.unit.virt import base

FINE = upgradecheck.Code.SUCCESS
WARNING = upgradecheck.Code.WARNING
FAILURE = upgradecheck.Code.FAILURE


class StatusTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.checks = upgrade_checks.Checks()
        self.connection = mock.Mock()
        self.connection.getLibVersion.return_value = 11003000
        self.connection.getVersion.return_value = 10000002
        self.useFixture(fixtures.MockPatchObject(
            libvirt, 'openReadOnly', return_value=self.connection))
        self.direct_io = self.useFixture(fixtures.MockPatchObject(
            nova_privsep_utils, 'supports_direct_io',
            return_value=True)).mock
        self.notifier = self.useFixture(fixtures.MockPatchObject(
            client, 'call', return_value={'pvms': []})).mock

    def override(self, name, value):
        conf.CONF.set_override(name, value, group='temporality')

    def check(self, name, code, *words):
        result = getattr(self.checks, 'check_' + name)()
        self.assertEqual(code, result.code, result.details)
        for word in words:
            self.assertIn(word, result.details)

    def test_emulated_pool_is_a_warning(self):
        self.check('pool', WARNING, self.pool_path, 'tmpfs')

    def test_no_pool(self):
        self.override('pool_path', '/nonexistent')
        self.check('pool', FAILURE, '/nonexistent', 'temporality pool check')

    def test_damaged_pool(self):
        with open(os.path.join(self.pool_path, 'pool'), 'r+b') as pool:
            pool.write(bytes(4096))
        os.unlink(os.path.join(self.pool_path, 'conf'))
        self.check('pool', FAILURE, self.pool_path)

    def test_pool_that_was_made_on_another_medium(self):
        pools.make_on(self.pool_path, 'dax')
        self.check('pool', FAILURE, self.pool_path, 'dax=always')

    def preload(self, mode, directory_mode=0o755):
        directory = tempfile.mkdtemp(dir='/tmp')
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, directory_mode)
        path = os.path.join(directory, 'library.so')
        with open(path, 'w', encoding='ascii'):
            os.chmod(path, mode)
        self.override('preload_path', path)
        return path

    def test_preload(self):
        self.preload(0o644)
        self.check('preload', FINE)

    def test_preload_that_is_not_there(self):
        self.override('preload_path', '/nonexistent')
        self.check('preload', FAILURE, '/nonexistent', 'preload_path')

    def test_preload_that_others_cannot_read(self):
        self.check('preload', FAILURE, self.preload(0o600), 'chmod')

    def test_preload_in_a_private_directory(self):
        path = self.preload(0o644, 0o700)
        self.check('preload', FAILURE, os.path.dirname(path), 'preload_path')

    def test_host_that_was_never_drilled(self):
        self.check('drill', WARNING, 'temporality drill')

    def test_drilled(self):
        self.override('hold_up_ms', 10)
        budget.store(self.pool_path, budget.Drilled({}, 9.5, time='t'))
        self.check('drill', FINE, '9.5')
        budget.store(self.pool_path, budget.Drilled({}, 10.5, time='t'))
        self.check('drill', WARNING, '10.5', 'hold_up_ms')

    def test_group(self):
        self.check('qemu_group', FINE)
        self.override('qemu_group', 'no-such-group')
        self.check('qemu_group', FAILURE, 'no-such-group', 'qemu_group')

    def test_direct_io(self):
        self.check('direct_io', FINE)
        self.direct_io.return_value = False
        self.check('direct_io', WARNING, 'O_DIRECT')

    def test_privileged_helper(self):
        self.check('privsep', FINE)
        with mock.patch.object(regions, 'pool_info',
                               side_effect=OSError('no sudo')):
            self.check('privsep', FAILURE, 'no sudo', 'helper_command')

    def test_privileged_helper_of_no_pool(self):
        self.override('pool_path', '/nonexistent')
        self.check('privsep', FINE)

    def test_versions(self):
        self.check('versions', FINE, '11.3.0', '10.0.2')
        self.assertTrue(self.connection.close.called)

    def test_older_versions(self):
        self.connection.getLibVersion.return_value = 11002009
        self.check('versions', FAILURE, 'libvirt is 11.2.9', '11.3.0')
        self.connection.getLibVersion.return_value = 12000000
        self.connection.getVersion.return_value = 8002002
        self.check('versions', FAILURE, 'QEMU is 8.2.2', '10.0.2')

    def test_no_libvirt(self):
        libvirt.openReadOnly.side_effect = libvirt.libvirtError('down')
        self.check('versions', FAILURE, 'qemu:///system', 'down')

    def test_notifier(self):
        self.notifier.return_value = {'pvms': [
            {'name': 'one', 'state': 'armed'}, {'name': 'two',
                                                'state': 'off'}]}
        self.check('notifier', FINE)
        self.notifier.return_value['pvms'].append(
            {'name': 'bare', 'state': 'not armed'})
        self.check('notifier', WARNING, 'bare')
        source = {'name': 'nut', 'detail': 'upsd is away', 'problem': None,
                  'is_sound': False}
        self.notifier.return_value = {'pvms': [], 'sources': [source]}
        self.check('notifier', WARNING, 'nut', 'upsd is away')
        source['problem'] = 'nut_password'
        self.check('notifier', WARNING, 'nut_password')
        source['is_sound'] = True
        self.check('notifier', FINE)
        self.notifier.side_effect = client.NotifierError('only by root')
        self.check('notifier', WARNING, 'only by root')
        self.notifier.side_effect = client.NotifierDown('start it')
        self.check('notifier', FAILURE, 'start it')

    def test_engine(self):
        self.notifier.return_value = {'pvms': [], 'engine_problem': 'gone'}
        self.check('notifier', FAILURE, 'the engine is away (gone)')

    def test_worst_result_counts(self):
        with mock.patch('builtins.print'):
            self.assertEqual(WARNING, self.checks.check())
            self.connection.getVersion.return_value = 5000000
            self.assertEqual(FAILURE, self.checks.check())
