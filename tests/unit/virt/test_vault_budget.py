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

"""New servers have to fit into the energy for writing the vault, too."""

import os
import shutil
from unittest import mock

import fixtures
from nova import exception as nova_exception
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality import conf
from nova_temporality.host import vault_bandwidth
from nova_temporality.notifier import client
from nova_temporality.privsep import regions
from nova_temporality.vault import creating
from tests.unit.virt import test_budget

MIB = 1 << 20


class VaultBudgetTest(test_budget.BudgetTestCase):
    """Servers have 4 MiB, states 1 MiB; the disk takes 1 MiB in a second."""

    def make_pool(self):
        super().make_pool()
        shutil.rmtree(self.pool_path)
        self.vault = os.path.join(self.useFixture(
            fixtures.TempDir(rootdir='/var/tmp')).path, 'vault')
        creating.create(
            self.pool_path, self.vault, total_size=64 * MIB, state_size=MIB,
            page_size=4096, descriptors=8, uid_base=0).close()
        vault_bandwidth.note(self.vault, 1.0)

    def setUp(self):
        super().setUp()
        self.hold_up(1000)

    def vault_hold_up(self, seconds):
        conf.CONF.set_override('vault_hold_up', seconds, group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'vault_hold_up',
                        group='temporality')

    def test_as_many_as_fit(self):
        self.vault_hold_up(10)
        self.spawn(self.server(uuids.one))
        self.spawn(self.server(uuids.two))
        exc = self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                                self.spawn, self.server(uuids.three))
        for number in ('15 MiB', '15.0 s', 'vault_hold_up is 10'):
            self.assertIn(number, str(exc))
        # of a fault's message Nova keeps so many characters
        self.assertLess(len(str(exc)), 255)
        regions.free(self.pool_path, self.run_dir, uuids.one)
        self.spawn(self.server(uuids.three))

    def test_what_is_there_stays(self):
        self.vault_hold_up(5)
        self.spawn(self.server(uuids.one))
        self.vault_hold_up(1)
        self.spawn(self.server(uuids.one))

    def test_one_that_comes_just_now_counts(self):
        found = regions.forecast_vault(
            self.pool_path, self.run_dir, 9, uuids.one,
            {uuids.one: 4 * MIB, uuids.two: 4 * MIB})
        self.assertEqual((10 * MIB, False), (found.bytes, found.fits))

    def test_of_what_is_bounded_a_part_has_to_have_room(self):
        """The notifier says that one that is there is."""
        self.vault_hold_up(10)
        vault_bandwidth.note(self.vault, 1.0, 1e6)
        self.spawn(self.server(uuids.one))
        self.spawn(self.server(uuids.two))
        said = {'vault': {'left': {uuids.one: 0, uuids.two: 0}}}
        calls = self.useFixture(fixtures.MockPatchObject(
            client, 'call', return_value=said)).mock
        self.spawn(self.server(uuids.three))
        calls.assert_called_with(self.run_dir, 'status', mock.ANY)
        # A notifier of an earlier release, and one without a vault.
        for said in ({'vault': {}}, {'vault': None}):
            calls.return_value = said
            self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                              self.spawn, self.server(uuids.four))

    def test_paged_server_is_not_bounded(self):
        self.vault_hold_up(10)
        vault_bandwidth.note(self.vault, 1.0, 1e6)
        self.spawn(self.server(uuids.one))
        self.useFixture(fixtures.MockPatchObject(
            client, 'call', return_value={
                'vault': {'left': {uuids.one: 0}}}))
        found = [regions.forecast_vault(
            self.pool_path, self.run_dir, 10, uuids.two,
            {uuids.two: 4 * MIB}, is_watched).bytes
            for is_watched in (True, False)]
        self.assertEqual([2 * MIB + round(8 * MIB * 0.11), 6 * MIB], found)

    def test_nobody_relies_on_it(self):
        for uuid in (uuids.one, uuids.two, uuids.three):
            self.spawn(self.server(uuid))

    def test_never_measured(self):
        """Health has a code for that, and this host takes no servers then."""
        self.vault_hold_up(1)
        os.unlink(os.path.join(self.vault, 'bandwidth'))
        self.spawn(self.server(uuids.one))


class NoVaultTest(test_budget.BudgetTestCase):

    def test_pool_without_one(self):
        self.hold_up(1000)
        conf.CONF.set_override('vault_hold_up', 1, group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'vault_hold_up',
                        group='temporality')
        self.spawn(self.server(uuids.one))
