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

"""nova-compute takes no pVM that could not be fixated in time."""

import os
import stat
import threading
from unittest import mock

import fixtures
from nova.compute import provider_tree
from nova.compute import task_states
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.host import budget
from nova_temporality.host import contention
from nova_temporality.host import notes
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.spec import priority
from nova_temporality import vpm
from tests.unit.virt import base

NODE = 'node'

_PATIENCE = 20


class BudgetTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.spawned = self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'spawn')).mock
        self.cpus = self.useFixture(fixtures.MockPatchObject(
            os, 'cpu_count', return_value=1)).mock
        # Servers that are not drilled are in nobody's way.
        self.useFixture(fixtures.MockPatchObject(
            contention, 'ASSUMED_SLOWDOWN', 1.0))

    def hold_up(self, milliseconds):
        conf.CONF.set_override('hold_up_ms', milliseconds,
                               group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'hold_up_ms',
                        group='temporality')

    def server(self, uuid, **extra_specs):
        server = self.make_server(
            memory_mb=4, metadata={'persistent': 'true'},
            extra_specs={key.replace('__', ':'): value
                         for key, value in extra_specs.items()})
        server.uuid = uuid
        return server

    def spawn(self, server):
        self.driver.spawn(self.context, server, self.image(), [], None, {},
                          network_info=[], block_device_info=None)


class AdmissionTest(BudgetTestCase):

    def test_as_many_as_fit(self):
        self.hold_up(10)
        self.spawn(self.server(uuids.one))
        self.spawn(self.server(uuids.two))
        exc = self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                                self.spawn, self.server(uuids.three))
        for number in ('15.0 ms', 'hold_up_ms is 10', '5.0 ms', '3 '):
            self.assertIn(number, str(exc))
        self.assertIn('temporality drill', str(exc))
        # of a fault's message Nova keeps so many characters
        self.assertLess(len(str(exc)), 255)
        self.assertEqual({uuids.one, uuids.two},
                         {region.name for region in self.pool().regions()})

        regions.free(self.pool_path, self.run_dir, uuids.one)
        self.spawn(self.server(uuids.three))

    def test_drilled_costs_count(self):
        self.hold_up(10)
        self.spawn(self.server(uuids.one))
        budget.store(self.pool_path, budget.Drilled(
            {uuids.one: 2.0}, 2.0, (((16, 1.0),),), 'now'))
        for uuid in (uuids.two, uuids.three, uuids.four, uuids.five):
            self.spawn(self.server(uuid))
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.spawn, self.server(uuids.six))

    def test_large_one_holds_nobody_up(self):
        """Its place counts, but nobody waits until its memory is there."""
        self.hold_up(10)
        ensure = regions.ensure
        allocates, go_on = threading.Event(), threading.Event()

        def slowly(pool_path, name, *args):
            if name == uuids.one:
                allocates.set()
                go_on.wait(_PATIENCE)
            return ensure(pool_path, name, *args)

        with mock.patch.object(regions, 'ensure', side_effect=slowly):
            large = threading.Thread(target=self.spawn,
                                     args=(self.server(uuids.one),))
            large.start()
            self.assertTrue(allocates.wait(_PATIENCE))
            self.spawn(self.server(uuids.two))
            self.assertTrue(large.is_alive())
            self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                              self.spawn, self.server(uuids.three))
            go_on.set()
            large.join(_PATIENCE)
        self.assertFalse(large.is_alive())

    def test_priorities_take_their_turns(self):
        self.cpus.return_value = 64
        self.hold_up(10)
        self.spawn(self.server(uuids.one))
        self.spawn(self.server(uuids.two))
        self.spawn(self.server(uuids.three, temporality__priority='90'))
        # as it is when it is started
        notes.write_priority(self.run_dir, uuids.three, 90)
        self.assertRaises(
            nova_exception.ComputeResourcesUnavailable, self.spawn,
            self.server(uuids.four, temporality__priority='95'))

    def test_what_is_there_stays(self):
        self.hold_up(10)
        one, two = self.server(uuids.one), self.server(uuids.two)
        self.spawn(one)
        self.spawn(two)
        self.hold_up(1)
        # has its region still
        self.spawn(one)
        # gives it back, and nothing of its disk is left
        self.rebuild(two)
        regions.free(self.pool_path, self.run_dir, two.uuid)
        two.task_state = task_states.REBUILD_SPAWNING
        self.spawn(two)
        self.assertEqual(4, self.spawned.call_count)
        # That was for once.
        regions.free(self.pool_path, self.run_dir, two.uuid)
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.spawn, two)

    def rebuild(self, server, evacuate=False):
        """As far as the driver does it; the rest is left to Nova."""
        self.assertRaises(
            NotImplementedError, self.driver.rebuild, self.context, server,
            self.image(), [], None, {}, None, None, None, network_info=[],
            evacuate=evacuate)

    def test_evacuated_servers_are_new_to_the_host(self):
        self.hold_up(5)
        comes = self.make_server(memory_mb=4, persistent=True)
        comes.uuid = uuids.comes
        self.rebuild(comes, evacuate=True)
        self.spawn(self.server(uuids.one))
        exc = self.assertRaises(
            nova_exception.ComputeResourcesUnavailable, self.driver.rebuild,
            self.context, comes, self.image(), [], None, {}, None, None,
            None, network_info=[], evacuate=True)
        self.assertIn('hold_up_ms is 5', str(exc))
        # nor in between
        comes.task_state = task_states.REBUILD_SPAWNING
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.spawn, comes)
        self.assertEqual([uuids.one], self.names())
        self.rebuild(self.make_server(), evacuate=True)

    def test_unshelved_servers_are_new_to_the_host(self):
        self.hold_up(5)
        shelved = self.make_server(memory_mb=4, persistent=True)
        shelved.uuid = uuids.shelved
        shelved.task_state = task_states.UNSHELVING
        self.spawn(self.server(uuids.one))
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.spawn, shelved)
        self.assertEqual([uuids.one], self.names())

    def test_no_other_way_to_a_region(self):
        """A server whose region is gone, say, and which is rebooted hard."""
        self.hold_up(5)
        self.spawn(self.server(uuids.one))
        stray = self.make_server(memory_mb=4, persistent=True)
        stray.uuid = uuids.stray
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.guest_xml, self.driver, stray)
        self.assertEqual([uuids.one], self.names())

    def names(self):
        return [region.name for region in self.pool().regions()]

    def test_others_need_no_energy(self):
        self.hold_up(1)
        self.spawn(self.make_server())
        self.assertTrue(self.spawned.called)


class PlacementTest(BudgetTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'update_provider_tree'))

    def reserved(self):
        tree = provider_tree.ProviderTree()
        tree.new_root(NODE, uuids.node)
        tree.update_inventory(NODE, {})
        self.driver.update_provider_tree(tree, NODE)
        inventory = tree.data(NODE).inventory['CUSTOM_NVRAM_MB']
        self.assertEqual(64, inventory['total'])
        return inventory['reserved']

    def test_nothing_is_left_when_the_budget_is_used_up(self):
        self.hold_up(10)
        self.assertEqual(0, self.reserved())
        self.spawn(self.server(uuids.one))
        self.assertEqual(0, self.reserved())
        self.spawn(self.server(uuids.two))
        # what the two have stays allocated
        self.assertEqual(64 - 2 * 4, self.reserved())
        self.hold_up(1000)
        self.assertEqual(0, self.reserved())

    def test_what_is_not_scrubbed_yet_is_reserved(self):
        self.spawn(self.server(uuids.one))
        self.spawn(self.server(uuids.two))
        pool = self.pool()
        pool.pause(vpm.PAUSE_MAX_NS)
        pool.free(uuids.one)
        self.hold_up(1000)
        self.assertEqual(4, self.reserved())
        self.hold_up(1)
        self.assertEqual(64 - 4, self.reserved())
        pool.pause(0)
        self.hold_up(1000)
        # as the notifier does
        pool.finish_freed()
        self.assertEqual(0, self.reserved())

    def test_host_that_can_take_none(self):
        self.hold_up(1)
        self.assertEqual(64, self.reserved())


class PriorityTest(BudgetTestCase):

    def test_bad_one_is_refused_before_anything_is_allocated(self):
        exc = self.assertRaises(
            exception.NotPossible, self.spawn,
            self.server(uuids.one, temporality__priority='urgent'))
        self.assertIn("'urgent'", exc.format_message())
        self.assertEqual([], self.pool().regions())

    def test_notifier_gets_to_know_it_before_qemu_runs(self):
        self.pool().alloc('pvm', 4 << 20)
        runs.prepare_boot(self.pool_path, self.run_dir, 'pvm',
                          os.getgid(), 70)
        self.assertEqual(70, notes.read_priority(self.run_dir, 'pvm'))
        runs.prepare_recovery(self.pool_path, self.run_dir, 'pvm',
                              os.getgid(), 80)
        self.assertEqual(80, notes.read_priority(self.run_dir, 'pvm'))
        self.assertEqual(0o700, stat.S_IMODE(os.stat(
            os.path.join(self.run_dir, 'priority')).st_mode))
        regions.free(self.pool_path, self.run_dir, 'pvm')
        self.assertEqual(priority.DEFAULT,
                         notes.read_priority(self.run_dir, 'pvm'))
        self.assertRaises(vpm.NotFound, self.pool().lookup, 'pvm')
