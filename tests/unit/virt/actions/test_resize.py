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

"""Resizing from, to and between persistent flavors, and on to other hosts."""

import os
from unittest import mock

import fixtures
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest

from nova_temporality import conf
from nova_temporality import exception
from nova_temporality.spec import persistence
from tests.unit.virt import base

PERSISTENT = {'temporality:persistent': 'true'}


class ResizingTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest', side_effect=self.get_guest))
        self.domain = None
        self.stopped = self.patch('migrate_disk_and_power_off')
        self.finished = self.patch('finish_migration')
        self.reverted = self.patch('finish_revert_migration')

    def patch(self, name):
        return self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, name, return_value='disks')).mock

    def get_guest(self, server):
        if self.domain is None:
            raise nova_exception.InstanceNotFound(instance_id=server.uuid)
        return libvirt_guest.Guest(self.domain)

    def make(self, extra_specs=None, persistent=False, own=False):
        server = self.make_server(extra_specs=extra_specs)
        persistence.freeze(server, persistent, own)
        if persistent:
            self.driver.servers.of(server).ensure_region()
        server.system_metadata['image_base_image_ref'] = 'image'
        return server

    @staticmethod
    def flavor(memory_mb=16, **extra_specs):
        return objects.Flavor(
            id=2, name='other', flavorid='other', memory_mb=memory_mb,
            vcpus=1, root_gb=1, ephemeral_gb=0, swap=0,
            extra_specs={key.replace('__', ':'): value
                         for key, value in extra_specs.items()})

    def stop(self, server, flavor, dest='host'):
        return self.driver.migrate_disk_and_power_off(
            self.context, server, dest, flavor, [])

    def fill_budget(self):
        """No server more fits than one that is there."""
        self.useFixture(fixtures.MockPatchObject(
            os, 'cpu_count', return_value=1))
        conf.CONF.set_override('hold_up_ms', 5, group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'hold_up_ms',
                        group='temporality')
        pool = self.pool()
        if not pool.regions():
            pool.alloc('neighbour', 16 << 20)

    def finish(self, server, flavor, source='other'):
        server.flavor = flavor
        self.driver.finish_migration(
            self.context, objects.Migration(
                source_compute=source, dest_compute='host'),
            server, '[]', [], self.image(), True, {})
        self.admit_again(server)

    def admit_again(self, server):
        # as LibvirtDriver does, for the XML
        if persistence.is_pvm(server):
            self.driver._admission.admit(self.driver.servers.of(server))

    def revert(self, server, flavor):
        with mock.patch.object(libvirt_driver.LibvirtDriver, 'destroy'):
            self.driver.destroy(self.context, server, [])
        server.flavor = flavor
        self.driver.finish_revert_migration(self.context, server, [],
                                            mock.Mock())
        self.admit_again(server)

    def sizes(self):
        return [region.size >> 20 for region in self.pool().regions()]

    def test_there_and_back_again(self):
        for before, own, after, sizes in (
                ({}, True, self.flavor(24), ([16], [24])),
                (PERSISTENT, False, self.flavor(24), ([16], [])),
                (PERSISTENT, False,
                 self.flavor(24, temporality__persistent='true'),
                 ([16], [24])),
                (None, False,
                 self.flavor(16, temporality__persistent='true'),
                 ([], [16])),
                (None, False, self.flavor(24), ([], []))):
            persistent = bool(own or before)
            server = self.make(before, persistent, own)
            old = server.flavor
            self.assertEqual(sizes[0], self.sizes())
            self.assertEqual('disks', self.stop(server, after))
            # between the two there is no memory to be kept
            self.assertEqual([], self.sizes())
            self.assertEqual(persistent, persistence.is_pvm(server))
            self.finish(server, after)
            self.assertEqual(sizes[1], self.sizes())
            self.assertEqual(bool(sizes[1]), persistence.is_pvm(server))
            self.revert(server, old)
            self.assertEqual(sizes[0], self.sizes())
            self.assertEqual(persistent, persistence.is_pvm(server))
            with mock.patch.object(libvirt_driver.LibvirtDriver, 'destroy'):
                self.driver.destroy(self.context, server, [])
            self.assertEqual([], self.sizes())

    def test_decision_is_saved_before_nvram_is_taken(self):
        server = self.make()
        self.finished.side_effect = lambda *args: self.assertEqual(
            1, self.saved.call_count)
        self.finish(server, self.flavor(temporality__persistent='true'))
        self.assertTrue(self.finished.called)

    def test_refused_before_anything_is_stopped(self):
        own = self.make({}, True, own=True)
        volatile = self.make()
        for server, flavor, reason in (
                (own, self.flavor(hw__cpu_realtime='yes'), 'real-time'),
                (own, self.flavor(hw__mem_page_size='1GB'), 'pages of'),
                (own, self.flavor(temporality__mrr='5'), "'5'"),
                (volatile, self.flavor(temporality__persistent='maybe'),
                 "'maybe'"),
                (volatile, self.flavor(temporality__persistent='true',
                                       hw__locked_memory='true'), 'locked')):
            exc = self.assertRaises(nova_exception.InstanceFaultRollback,
                                    self.stop, server, flavor)
            self.assertIsInstance(exc.inner_exception, exception.NotPossible)
            self.assertIn(reason, exc.inner_exception.format_message())
        self.assertFalse(self.stopped.called)
        self.assertEqual([16], self.sizes())

    def test_refused_before_it_is_stopped_when_it_does_not_fit_here(self):
        self.fill_budget()
        volatile = self.make()
        flavor = self.flavor(temporality__persistent='true')
        exc = self.assertRaises(
            nova_exception.InstanceFaultRollback, self.stop, volatile, flavor,
            self.driver.get_host_ip_addr())
        self.assertIn('hold_up_ms is 5', str(exc.inner_exception))
        self.assertFalse(self.stopped.called)
        # on another host there may be room, and others need none
        self.stop(volatile, flavor)
        self.stop(volatile, self.flavor(), self.driver.get_host_ip_addr())

    def test_refused_where_it_arrives_and_does_not_fit(self):
        self.fill_budget()
        server = self.make()
        self.assertRaises(
            nova_exception.ComputeResourcesUnavailable, self.finish, server,
            self.flavor(temporality__persistent='true'))
        self.assertFalse(self.finished.called)
        self.assertEqual([16], self.sizes())
        self.finish(self.make(), self.flavor())

    def test_one_that_is_there_may_stay(self):
        server = self.make(PERSISTENT, True)
        self.fill_budget()
        flavor = self.flavor(24, temporality__persistent='true')
        self.stop(server, flavor, self.driver.get_host_ip_addr())
        self.pool().alloc('neighbour', 16 << 20)
        self.finish(server, flavor, source='host')
        self.assertEqual([16, 24], sorted(self.sizes()))
        # and may come back
        self.pool().free(server.uuid)
        self.driver.finish_revert_migration(self.context, server, [],
                                            mock.Mock())
        self.admit_again(server)
        self.assertEqual([16, 24], sorted(self.sizes()))

    def test_bad_priority(self):
        server = self.make(PERSISTENT, True)
        exc = self.assertRaises(
            nova_exception.InstanceFaultRollback, self.stop, server,
            self.flavor(temporality__persistent='true',
                        temporality__priority='urgent'))
        self.assertIn("'urgent'", exc.inner_exception.format_message())
        self.assertFalse(self.stopped.called)

    def test_failure_to_stop_keeps_the_region(self):
        server = self.make(PERSISTENT, True)
        self.stopped.side_effect = nova_exception.ResizeError(reason='disk')
        self.assertRaises(nova_exception.ResizeError, self.stop, server,
                          self.flavor())
        self.assertEqual([16], self.sizes())

    def test_region_of_a_resize_that_was_cut_off(self):
        server = self.make(PERSISTENT, True)
        server.flavor = self.flavor(24, temporality__persistent='true')
        self.driver.servers.of(server).ensure_region()
        self.assertEqual([24], self.sizes())

    def test_crash_before_it_was_stopped(self):
        """Nova reverts what it finds migrating when it starts."""
        server = self.make(PERSISTENT, True)
        self.domain = mock.Mock()
        self.domain.isActive.return_value = True
        self.driver.finish_revert_migration(self.context, server, [],
                                            mock.Mock())
        self.assertFalse(self.reverted.called)
        self.domain.isActive.return_value = False
        self.driver.finish_revert_migration(self.context, server, [],
                                            mock.Mock())
        self.assertTrue(self.reverted.called)
