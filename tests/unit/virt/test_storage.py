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

"""A user starts a server whose storage hangs, and does not want it any more.

Nova does not lock a server that it starts, as it does when it reboots one.
"""

import threading
import time

import fixtures
from nova.compute import power_state
from nova.compute import task_states
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import exception
from nova_temporality.host import disk_reach
from nova_temporality.privsep import looking
from nova_temporality.virt import driver
from nova_temporality.virt import storage
from tests.unit.virt import base
from tests.unit.virt.recovery import recovery_base


class HungStartTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.reboot.side_effect = lambda *args: (
            driver.TemporalityDriver._hard_reboot(self.driver, *args))
        self.booted = self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, '_hard_reboot')).mock
        self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'destroy'))
        self.begun, self.answers = threading.Event(), threading.Event()
        self.addCleanup(looking._looks.clear)
        self.addCleanup(self.answers.set)
        self.useFixture(fixtures.MockPatchObject(
            disk_reach, 'touch', side_effect=self.touch))
        self.make_domain(power_state.SHUTDOWN)
        self.server.task_state = task_states.POWERING_ON

    def xml(self):
        return super().xml().replace(
            '</domain>', '<devices><disk><source file="/dead/disk"/></disk>'
            '<disk/></devices></domain>')

    def touch(self, paths):
        self.assertEqual(['/dead/disk'], list(paths))
        self.begun.set()
        self.assertTrue(self.answers.wait(base.PATIENCE))

    def power_on(self):
        return self.driver.power_on(self.context, self.server, [])

    def delete(self):
        self.server.task_state = task_states.DELETING
        self.assertIsNone(self.in_thread(lambda: self.driver.destroy(
            self.context, self.server, []))())
        objects.Instance.get_by_uuid.side_effect = (
            nova_exception.InstanceNotFound(instance_id=self.server.uuid))

    def test_storage_that_answers(self):
        self.answers.set()
        self.power_on()
        self.assertTrue(self.booted.called)

    def test_deleted_meanwhile(self):
        end = self.in_thread(self.power_on)
        self.assertTrue(self.begun.wait(base.PATIENCE))
        self.delete()
        self.answers.set()
        self.assertIsInstance(end(), exception.Gone)
        self.assertFalse(self.booted.called)
        self.assertEqual([], self.pool().regions())

    def test_deleted_while_it_does_not_answer(self):
        """Nobody waits for it any more."""
        self.useFixture(fixtures.MockPatchObject(storage, '_SILENCE', 0.1))
        end = self.in_thread(self.power_on)
        self.assertTrue(self.begun.wait(base.PATIENCE))
        self.delete()
        self.assertIsInstance(end(), exception.Gone)
        self.assertFalse(self.booted.called)

    def test_answers_late(self):
        self.useFixture(fixtures.MockPatchObject(storage, '_SILENCE', 0.01))
        with self.assertLogs(storage.LOG.logger, 'WARNING') as logs:
            end = self.in_thread(self.power_on)
            self.assertTrue(self.begun.wait(base.PATIENCE))
            while not logs.output:
                self.assertFalse(self.booted.called)
                time.sleep(0.01)
        self.assertIn('/dead/disk', logs.output[0])
        self.answers.set()
        self.assertIsNone(end())
        self.assertTrue(self.booted.called)

    def test_deleted_while_the_lock_was_waited_for(self):
        self.answers.set()
        server = self.driver.servers.of(self.server)
        with server.lock:
            end = self.in_thread(self.power_on)
            self.assertTrue(self.begun.wait(base.PATIENCE))
            self.driver.destroy(self.context, self.server, [])
            objects.Instance.get_by_uuid.side_effect = (
                nova_exception.InstanceNotFound(
                    instance_id=self.server.uuid))
        self.assertIsInstance(end(), exception.Gone)
        self.assertFalse(self.booted.called)
        self.assertEqual([], self.pool().regions())

    def test_evacuated_by_now(self):
        """Also a hard reboot; its state is not given up either."""
        self.answers.set()
        self.fixate()
        self.evacuations.append(objects.Migration(
            status='accepted', dest_compute='there'))
        for ask in (self.power_on, lambda: self.driver.reboot(
                self.context, self.server, [], 'HARD')):
            self.assertRaises(exception.NotOwner, ask)
        self.assertFalse(self.booted.called)
        self.assertTrue(self.proven())

    def test_ordinary_servers_are_not_asked_for(self):
        plain = self.make_server(persistent=False)
        self.driver.power_on(self.context, plain, [])
        self.assertFalse(self.begun.is_set())
        self.assertTrue(self.booted.called)

    def test_server_that_libvirt_does_not_know(self):
        self.domain = None
        self.power_on()
        self.assertFalse(self.begun.is_set())
        self.assertTrue(self.booted.called)
