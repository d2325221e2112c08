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

"""temporality-status upgrade check: the pool, the helper, the whole."""

import os
from unittest import mock

from nova_temporality.host import budget
from nova_temporality.privsep import regions
from tests.framework import pools
from tests.unit.virt import check_base

FINE = check_base.FINE
WARNING = check_base.WARNING
FAILURE = check_base.FAILURE


class StatusTest(check_base.CheckTestCase):

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

    def test_host_that_was_never_drilled(self):
        self.check('drill', WARNING, 'temporality drill')

    def test_drilled(self):
        self.override('hold_up_ms', 10)
        budget.store(self.pool_path, budget.Drilled({}, 9.5, time='t'))
        self.check('drill', FINE, '9.5')
        budget.store(self.pool_path, budget.Drilled({}, 10.5, time='t'))
        self.check('drill', WARNING, '10.5', 'hold_up_ms')

    def test_privileged_helper(self):
        self.check('privsep', FINE)
        with mock.patch.object(regions, 'pool_info',
                               side_effect=OSError('no sudo')):
            self.check('privsep', FAILURE, 'no sudo', 'helper_command')

    def test_privileged_helper_of_no_pool(self):
        self.override('pool_path', '/nonexistent')
        self.check('privsep', FINE)

    def test_worst_result_counts(self):
        with mock.patch('builtins.print'):
            self.connection.getVersion.return_value = 5000000
            self.assertEqual(FAILURE, self.checks.check())
