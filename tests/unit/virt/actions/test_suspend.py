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

"""Suspending a pVM and what may happen to it until it is resumed."""

from unittest import mock

import fixtures
import libvirt
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import exception
from nova_temporality.notifier import client
from nova_temporality.privsep import runs
from nova_temporality.qemu import incoming as state_loader
from nova_temporality.virt.actions import suspend
from nova_temporality.virt.recovery import service
from nova_temporality.vpm import runlock
from tests.unit.virt.recovery import recovery_base


class SuspendTest(recovery_base.RecoveryTestCase):
    """The notifier is stood in for; tests/functional has the real one."""

    def setUp(self):
        super().setUp()
        self.make_domain(power_state.RUNNING)
        self.asked = self.useFixture(fixtures.MockPatchObject(
            client, 'call', side_effect=self.notifier)).mock
        self.destroyed = self.useFixture(fixtures.MockPatchObject(
            self.driver, '_destroy')).mock

    def notifier(self, run_dir, operation, timeout, name):
        # However long its QEMU takes to end.
        self.assertIsNone(timeout)
        self.assertEqual((self.run_dir, 'suspend', self.server.uuid),
                         (run_dir, operation, name))
        self.fixate()
        self.domain.state = power_state.SHUTDOWN
        return {'fixated_ms': 4.2}

    def suspend(self):
        self.driver.suspend(self.context, self.server)

    def assert_runs_on(self, reason):
        exc = self.assertRaises(nova_exception.InstanceFaultRollback,
                                self.suspend)
        self.assertIn(reason, exc.inner_exception.format_message())
        self.assertFalse(self.destroyed.called)

    def test_suspend(self):
        self.suspend()
        self.assertTrue(self.proven())
        self.assertTrue(self.destroyed.called)

    def test_no_notifier(self):
        self.asked.side_effect = client.NotifierDown('start it')
        self.assert_runs_on('start it')

    def dies(self, *args, **kwargs):
        raise client.NotifierSilent('no answer')

    def dies_proven(self, *args, **kwargs):
        self.fixate()
        self.dies()

    def test_notifier_dies_before_it_is_fixated(self):
        self.asked.side_effect = self.dies
        self.assert_runs_on('no answer')

    def test_notifier_dies_before_it_ends(self):
        """Its QEMU may have been told to end, and be at it."""
        self.asked.side_effect = self.dies_proven
        self.suspend()
        self.assertTrue(self.destroyed.called)
        self.assertTrue(self.proven())

    def test_next_notifier_lets_it_run_on(self):
        """It has the run lock, and advances the epoch under it."""
        self.asked.side_effect = self.dies_proven
        begin_run = runs._begin_run
        waited = []

        def lock(*args):
            if not waited:
                waited.append(True)
                raise runlock.RunLockTimeout('it is being started')
            self.pool().begin_epoch(self.region.id)
            return begin_run(*args)

        self.useFixture(fixtures.MockPatchObject(suspend, '_POLL', 0))
        with mock.patch.object(runs, '_begin_run', lock):
            self.assert_runs_on('no answer')

    def test_qemu_that_libvirt_does_not_end_in_time(self):
        self.asked.side_effect = self.dies_proven
        self.destroyed.side_effect = [libvirt.libvirtError('busy')] * 2 + [
            None]
        self.useFixture(fixtures.MockPatchObject(suspend, '_POLL', 0))
        self.suspend()
        self.assertEqual(3, self.destroyed.call_count)

    def test_refused_in_an_outage(self):
        """It stands still in a proven state, for another reason."""
        def refuses(*args, **kwargs):
            self.fixate()
            raise client.NotifierError('an outage is on')
        self.asked.side_effect = refuses
        self.assert_runs_on('an outage is on')
        self.assertTrue(self.proven())

    def test_notifier_dies_after_it_ended(self):
        def dies(*args, **kwargs):
            self.notifier(*args, **kwargs)
            raise client.NotifierSilent('no answer')
        self.asked.side_effect = dies
        self.suspend()
        self.assertTrue(self.destroyed.called)

    def test_ended_without_a_state(self):
        def dies(*args, **kwargs):
            self.domain.state = power_state.SHUTDOWN
            raise client.NotifierError('no answer')
        self.asked.side_effect = dies
        self.assertRaises(nova_exception.InstanceFaultRollback, self.suspend)

    def test_others_are_suspended_by_libvirt(self):
        plain = self.make_server(persistent=False)
        with mock.patch.object(libvirt_driver.LibvirtDriver,
                               'suspend') as suspend, \
                mock.patch.object(libvirt_driver.LibvirtDriver,
                                  'resume') as resume:
            self.driver.suspend(self.context, plain)
            self.driver.resume(self.context, plain, [])
        self.assertTrue(suspend.called)
        self.assertTrue(resume.called)
        self.assertFalse(self.asked.called)


class SuspendedTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.fixate()
        self.server.vm_state = vm_states.SUSPENDED
        self.server.power_state = power_state.SHUTDOWN

    def resume(self):
        self.driver.resume(self.context, self.server, [])

    def test_resume(self):
        self.resume()
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertFalse(self.proven())
        self.assertFalse(runs.is_recovering(self.run_dir,
                                            self.server.uuid))
        # That is for Nova, which expects it as it was.
        self.assertEqual(vm_states.SUSPENDED, self.server.vm_state)
        self.assertFalse(self.saved.called)

    def test_never_twice(self):
        self.resume()
        self.domain = None
        self.assertRaises(exception.StateUnproven, self.resume)
        self.assertEqual(1, self.connection.createXML.call_count)

    def test_stays_suspended_when_it_does_not_start(self):
        self.load.side_effect = state_loader.RecoveryError('no such device')
        exc = self.assertRaises(nova_exception.InstanceFaultRollback,
                                self.resume)
        self.assertIn('no such device',
                      exc.inner_exception.format_message())
        self.assertTrue(self.proven())
        self.assertTrue(self.domain.destroy.called)
        self.load.side_effect = None
        self.resume()
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_earlier_attempt_was_cut_off(self):
        self.make_domain(power_state.PAUSED)
        first = self.domain
        self.resume()
        self.assertTrue(first.destroy.called)
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_stays_suspended_over_an_outage(self):
        self.recover()
        self.driver.resume_state_on_host_boot(self.context, self.server, [],
                                              None)
        self.assertIsNone(self.domain)
        self.assertFalse(self.reboot.called)
        self.assertTrue(self.proven())
        self.assertEqual(vm_states.SUSPENDED, self.server.vm_state)

    def test_resumed_before_the_service_has_reported(self):
        """Nova hands requests over some seconds earlier."""
        self.is_fresh.return_value = False

        def wait_up(*_args):
            self.is_fresh.return_value = True

        service.Service.wait_up.side_effect = wait_up
        self.driver.resume(self.context, self.server, [])
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_outage_in_the_midst_of_suspending(self):
        self.server.vm_state = vm_states.ACTIVE
        self.server.power_state = power_state.RUNNING
        self.server.task_state = task_states.SUSPENDING
        self.recover()
        self.assertIsNone(self.domain)
        self.assertTrue(self.proven())
        self.assertEqual(vm_states.SUSPENDED, self.server.vm_state)
        self.assertEqual(power_state.SHUTDOWN, self.server.power_state)
        self.assertIsNone(self.server.task_state)

    def test_nova_restarts_while_its_qemu_ends(self):
        """It was told to by the notifier, which nobody waits for any more."""
        self.make_domain(power_state.PAUSED)
        self.server.vm_state = vm_states.ACTIVE
        self.server.task_state = task_states.SUSPENDING
        with mock.patch.object(self.driver, '_destroy') as destroy:
            self.recover()
        self.assertTrue(destroy.called)
        self.assertTrue(self.proven())
        self.assertEqual(vm_states.SUSPENDED, self.server.vm_state)
        self.assertIsNone(self.server.task_state)

    def test_nova_restarts_before_it_is_suspended(self):
        self.make_domain(power_state.RUNNING)
        self.pool().begin_epoch(self.region.id)
        self.server.vm_state = vm_states.ACTIVE
        self.server.task_state = task_states.SUSPENDING
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertIsNone(self.server.task_state)
        self.assertFalse(self.domain.destroy.called)

    def test_outage_in_the_midst_of_resuming(self):
        self.server.task_state = task_states.RESUMING
        self.recover()
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertIsNone(self.server.task_state)

    def test_outage_after_it_ran_again(self):
        self.pool().begin_epoch(self.region.id)
        self.server.task_state = task_states.RESUMING
        self.recover()
        self.assertIsNone(self.domain)
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertIsNone(self.server.task_state)
        self.assertEqual(1, len(self.faults))

    def test_nova_restarts_after_it_ran_again(self):
        self.make_domain(power_state.RUNNING)
        self.pool().begin_epoch(self.region.id)
        self.server.task_state = task_states.RESUMING
        self.recover()
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertEqual(power_state.RUNNING, self.server.power_state)
        self.assertIsNone(self.server.task_state)
