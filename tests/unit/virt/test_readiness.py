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


import threading
from unittest import mock

import fixtures
from nova.compute import manager
from nova.compute import provider_tree
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality.virt import readiness
from tests.unit.virt import base

NODE = 'node'

AWAY = {'NOTIFIER_AWAY': 'notifier: start it'}
DEAF = {'POWER_UNHEARD': 'nut: upsd is away'}

_PATIENCE = 30


_watch = readiness.Readiness.watch


class ReadinessTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(readiness, '_INTERVAL',
                                                 0.01))
        self.useFixture(fixtures.MockPatchObject(readiness, '_POLL', 0.01))
        self.logged = {
            level: self.useFixture(fixtures.MockPatchObject(
                readiness.LOG, level)).mock for level in ('error', 'info')}

    def counts(self):
        return (self.logged['error'].call_count,
                self.logged['info'].call_count)


class AnswerTest(ReadinessTestCase):

    def setUp(self):
        super().setUp()
        self.changed = mock.Mock()
        self.ready = readiness.Readiness(self.changed)

    def test_ready(self):
        self.assertIsNone(self.ready.problem_for_placement())
        self.assertEqual((0, 0), self.counts())

    def test_told_once_with_each_change(self):
        self.obstacles.return_value = DEAF
        for _number in range(3):
            self.assertEqual('POWER_UNHEARD (nut: upsd is away)',
                             self.ready.problem_for_placement())
        self.assertEqual((1, 0), self.counts())
        # The same is in the way; only the words differ.
        self.obstacles.return_value = {'POWER_UNHEARD': 'nut: wrong password'}
        self.ready.problem_for_placement()
        self.assertEqual((1, 0), self.counts())
        self.obstacles.return_value = AWAY
        self.ready.problem_for_placement()
        self.assertEqual((2, 0), self.counts())
        self.obstacles.return_value = {}
        self.ready.problem_for_placement()
        self.ready.problem_for_placement()
        self.assertEqual((2, 1), self.counts())

    def test_new_server_waits_for_a_notifier_that_starts(self):
        self.obstacles.side_effect = [AWAY, {'ENGINE_AWAY': 'engine: gone'},
                                      {}]
        self.assertIsNone(self.ready.problem_for_server())

    def test_new_server_does_not_wait_for_ever(self):
        self.obstacles.return_value = AWAY
        with mock.patch.object(readiness, '_PATIENCE', 0.05):
            self.assertIn('NOTIFIER_AWAY', self.ready.problem_for_server())

    def test_nobody_waits_for_what_does_not_mend_itself(self):
        self.obstacles.side_effect = [DEAF]
        self.assertIn('POWER_UNHEARD', self.ready.problem_for_server())

    def watch(self):
        """Watch until the end of the test."""
        # not the stand-in of the base class
        _watch(self.ready)
        self.addCleanup(self.ready._never.set)

    def test_placement_is_told_at_once(self):
        told, errors = threading.Event(), [OSError('no Placement')]

        def changed():
            if errors:
                raise errors.pop()
            self.ready.problem_for_placement()
            told.set()
        self.changed.side_effect = changed
        self.ready.problem_for_placement()
        # An earlier look of somebody else does not count.
        self.obstacles.return_value = DEAF
        self.ready.problem_for_server()
        self.watch()
        self.assertTrue(told.wait(_PATIENCE))
        told.clear()
        self.obstacles.return_value = {}
        self.assertTrue(told.wait(_PATIENCE))

    def test_placement_is_not_told_what_it_knows(self):
        looked = threading.Semaphore(0)

        def look(_run_dir):
            looked.release()
            return DEAF
        self.obstacles.side_effect = look
        self.ready.problem_for_placement()
        self.watch()
        for _number in range(4):
            self.assertTrue(looked.acquire(timeout=_PATIENCE))
        self.assertFalse(self.changed.called)

    def test_nor_before_nova_compute_has_told_it_anything(self):
        looked = threading.Semaphore(0)

        def look(_run_dir):
            looked.release()
            return DEAF
        self.obstacles.side_effect = look
        self.watch()
        for _number in range(3):
            self.assertTrue(looked.acquire(timeout=_PATIENCE))
        self.assertFalse(self.changed.called)


class DriverTest(ReadinessTestCase):

    def setUp(self):
        super().setUp()
        self.spawned = self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'spawn')).mock
        self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'update_provider_tree'))
        self.useFixture(fixtures.MockPatchObject(readiness, '_PATIENCE', 0))

    def server(self, uuid):
        server = self.make_server(memory_mb=4,
                                  metadata={'persistent': 'true'})
        server.uuid = uuid
        return server

    def spawn(self, server):
        self.driver.spawn(self.context, server, self.image(), [], None, {},
                          network_info=[], block_device_info=None)

    def reserved(self):
        tree = provider_tree.ProviderTree()
        tree.new_root(NODE, uuids.node)
        tree.update_inventory(NODE, {})
        self.driver.update_provider_tree(tree, NODE)
        return tree.data(NODE).inventory['CUSTOM_NVRAM_MB']['reserved']

    def test_nothing_is_left_for_new_servers(self):
        self.spawn(self.server(uuids.one))
        self.obstacles.return_value = DEAF
        # What the one has stays allocated.
        self.assertEqual(64 - 4, self.reserved())
        self.obstacles.return_value = {}
        self.assertEqual(0, self.reserved())

    def test_one_that_was_on_its_way_is_refused(self):
        self.obstacles.return_value = DEAF
        exc = self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                                self.spawn, self.server(uuids.one))
        self.assertIn('POWER_UNHEARD', str(exc))
        self.assertIn('temporality health', str(exc))
        self.assertEqual([], self.pool().regions())
        self.obstacles.return_value = {}
        self.spawn(self.server(uuids.one))

    def test_those_that_are_there_stay(self):
        one = self.server(uuids.one)
        self.spawn(one)
        self.obstacles.return_value = AWAY
        self.spawn(one)
        self.assertEqual(2, self.spawned.call_count)

    def test_ordinary_servers_need_no_notifier(self):
        self.obstacles.return_value = AWAY
        self.spawn(self.make_server())
        self.assertTrue(self.spawned.called)

    def test_nova_reports_its_resources(self):
        compute = mock.create_autospec(manager.ComputeManager)
        compute.reportclient = None
        self.driver.virtapi = manager.ComputeVirtAPI(compute)
        self.driver._tell_placement()
        self.assertTrue(compute.update_available_resource.called)
