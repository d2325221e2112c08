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

"""Recovery is tried again, for each server by itself, and not too early."""

import threading
import time

import fixtures
from nova.compute import power_state
from nova.compute import vm_states
from nova.virt import hardware
from nova.virt.libvirt import driver as libvirt_driver
import oslo_messaging
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality import exception
from nova_temporality.host import notes
from nova_temporality.privsep import runs
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt.recovery import manager
from nova_temporality.virt.recovery import service
from tests.unit.virt.recovery import recovery_base

# Seconds for what has to happen.
_PATIENCE = 30


def wait_for(condition):
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError('it did not happen')
        time.sleep(0.01)


_add = keeper.Keeper.add


class KeeperTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(keeper, '_DELAY_MIN', 0.01))
        # not the stand-in of the base class
        self.useFixture(fixtures.MockPatchObject(keeper.Keeper, 'add', _add))
        self.keeper = self.driver.recoveries
        self.addCleanup(self.end_all)
        self.tries = []
        self.outcomes = {}
        self.useFixture(fixtures.MockPatchObject(
            manager, 'recover', side_effect=self.recover_one))

    def recover_one(self, driver, context, uuid, clock_deadline):
        self.tries.append(uuid)
        outcome = self.outcomes.get(uuid)
        if isinstance(outcome, threading.Event):
            outcome.wait(_PATIENCE)
        elif outcome:
            raise outcome

    def end_all(self):
        self.outcomes.clear()
        for uuid in list(self.keeper._pending):
            self.keeper.add(uuid)
        wait_for(lambda: not self.keeper._pending)

    def is_done(self, uuid):
        return not self.keeper.is_pending(uuid)

    def test_tried_again_until_it_is_back(self):
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.RecoveryFailed(reason='no volume')
        self.keeper.add(uuid)
        wait_for(lambda: len(self.tries) > 2)
        self.assertTrue(self.keeper.is_pending(uuid))
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.assertIn('no volume', self.faults[0])
        del self.outcomes[uuid]
        wait_for(lambda: self.is_done(uuid))

    def test_health_shows_what_waits(self):
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        self.keeper.add(uuid)
        wait_for(lambda: 'fenced' in self.pending().get(uuid, ''))
        del self.outcomes[uuid]
        wait_for(lambda: self.is_done(uuid))
        self.assertEqual({}, self.pending())

    def test_health_shows_what_is_not_tried_again(self):
        self.set_option('recovery_retry', 1)
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        self.keeper.add(uuid)
        wait_for(lambda: self.is_done(uuid))
        self.assertIn('fenced', self.pending()[uuid])

    def test_health_is_not_vital(self):
        with fixtures.MockPatchObject(runs, 'set_pending',
                                      side_effect=OSError('no space')):
            self.keeper.add(self.server.uuid)
            wait_for(lambda: self.is_done(self.server.uuid))
        self.assertEqual([self.server.uuid], self.tries)

    def pending(self):
        return notes.pending(self.run_dir)

    def test_not_ours_for_now_is_no_fault(self):
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        self.keeper.add(uuid)
        wait_for(lambda: len(self.tries) > 2)
        self.assertEqual([], self.faults)
        del self.outcomes[uuid]
        wait_for(lambda: self.is_done(uuid))

    def test_gone_is_not_tried_again(self):
        self.outcomes[self.server.uuid] = exception.Gone(reason='deleted')
        self.keeper.add(self.server.uuid)
        wait_for(lambda: self.is_done(self.server.uuid))
        self.assertEqual(1, len(self.tries))

    def test_no_server_waits_for_another(self):
        blocked = self.outcomes[uuids.blocked] = threading.Event()
        self.addCleanup(blocked.set)
        self.keeper.add(uuids.blocked)
        others = ['server-%d' % number for number in range(20)]
        for uuid in others:
            self.keeper.add(uuid)
        wait_for(lambda: all(self.is_done(uuid) for uuid in others))
        self.assertTrue(self.keeper.is_pending(uuids.blocked))

    def test_tried_at_once_when_asked(self):
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        with fixtures.MockPatchObject(keeper, '_DELAY_MIN', 3600.0):
            self.keeper.add(uuid)
            wait_for(lambda: self.tries)
            del self.outcomes[uuid]
            self.keeper.add(uuid)
            wait_for(lambda: self.is_done(uuid))

    def test_limit(self):
        self.set_option('recovery_retry', 1)
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        self.keeper.add(uuid)
        wait_for(lambda: self.is_done(uuid))
        self.assertGreater(len(self.tries), 1)

    def test_start_of_nova_waits_for_nobody(self):
        """A cold boot waits for ports that Neutron tells of: by RPC, to which
        nova-compute listens only once it has started.
        """
        up = threading.Event()
        self.addCleanup(up.set)
        service.Service.wait_up.side_effect = (
            lambda *_args: self.assertTrue(up.wait(_PATIENCE)))
        self.keeper.start([self.server])
        self.assertTrue(self.keeper.is_pending(self.server.uuid))
        self.assertEqual([], self.tries)
        up.set()
        wait_for(lambda: self.is_done(self.server.uuid))
        self.assertEqual([self.server.uuid], self.tries)

    # -- what operators ask for -----------------------------------------------

    def ask(self, uuid, **kwargs):
        kwargs.setdefault('accept_disks', False)
        notes.request_recovery(self.run_dir, uuid, **kwargs)
        self.keeper._meet_requests(self.run_dir)

    def test_server_that_nobody_tries(self):
        """One that was given up after recovery_retry, say."""
        self.ask(self.server.uuid)
        wait_for(lambda: self.is_done(self.server.uuid))
        self.assertEqual([self.server.uuid], self.tries)
        self.assertEqual([], notes.recovery_requests(self.run_dir))

    def test_request_does_not_wait_for_the_next_try(self):
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.RecoveryFailed(reason='no volume')
        with fixtures.MockPatchObject(keeper, '_DELAY_MIN', 3600.0):
            self.keeper.add(uuid)
            wait_for(lambda: self.faults)
            del self.outcomes[uuid]
            self.ask(uuid)
            wait_for(lambda: self.is_done(uuid))

    def test_request_during_the_last_try_is_met(self):
        uuid = self.server.uuid
        self.set_option('recovery_retry', 1)
        self.outcomes[uuid] = blocked = threading.Event()
        self.keeper.add(uuid)
        wait_for(lambda: self.tries)
        self.ask(uuid)
        blocked.set()
        wait_for(lambda: self.is_done(uuid))
        self.assertEqual(2, len(self.tries))

    def test_disks_are_accepted_until_it_is_back(self):
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.RecoveryFailed(reason='no volume')
        self.ask(uuid, accept_disks=True)
        wait_for(lambda: len(self.tries) > 1)
        self.assertTrue(notes.accepts_disks(self.run_dir, uuid))
        del self.outcomes[uuid]
        wait_for(lambda: self.is_done(uuid))
        # Forgotten by what resumes it: it may still be suspended.
        self.assertTrue(notes.accepts_disks(self.run_dir, uuid))

    def test_goes_on_looking_when_it_cannot_look(self):
        class Ended(Exception):
            pass

        error = OSError('no such luck')
        self.useFixture(fixtures.MockPatchObject(
            self.keeper, '_meet_requests',
            side_effect=[error, error, None, error]))
        self.useFixture(fixtures.MockPatchObject(
            self.keeper._never, 'wait',
            side_effect=[False] * 3 + [Ended()]))
        with self.assertLogs(keeper.LOG.logger, 'ERROR') as logs:
            self.assertRaises(Ended, self.keeper._watch)
        self.assertIn('no such luck', logs.output[0])
        self.assertEqual(2, len(logs.output))

    # -- what the event list says ---------------------------------------------

    def test_not_ours_is_told_once(self):
        uuid = self.server.uuid
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        self.keeper.add(uuid)
        wait_for(lambda: len(self.tries) > 3)
        self.assertEqual(1, self.event_start.call_count)
        self.outcomes[uuid] = exception.NotOwner(reason='evacuated')
        wait_for(lambda: self.event_start.call_count > 1)
        del self.outcomes[uuid]
        wait_for(lambda: self.is_done(uuid))
        self.assertEqual(2, self.event_start.call_count)

    def test_nova_that_does_not_take_the_event(self):
        uuid = self.server.uuid
        self.action_start.side_effect = oslo_messaging.MessagingTimeout()
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        self.keeper.add(uuid)
        wait_for(lambda: len(self.tries) > 1)
        del self.outcomes[uuid]
        wait_for(lambda: self.is_done(uuid))

    # -- what Nova is told meanwhile ------------------------------------------

    def power_state(self, state=power_state.SHUTDOWN):
        with fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver, 'get_info',
                return_value=hardware.InstanceInfo(state=state)):
            return self.driver.get_info(self.server).state

    def test_pending_server_is_not_off(self):
        """Else Nova's periodic task stops it, which gives its state up."""
        uuid = self.server.uuid
        self.assertEqual(power_state.SHUTDOWN, self.power_state())
        self.outcomes[uuid] = exception.NotOwner(reason='fenced')
        self.keeper.add(uuid)
        self.assertEqual(power_state.RUNNING, self.power_state())
        del self.outcomes[uuid]
        wait_for(lambda: self.is_done(uuid))
        self.assertEqual(power_state.SHUTDOWN, self.power_state())

    def test_proven_server_is_not_off(self):
        """An operator has reset the state of one in ERROR, say."""
        self.fixate()
        self.assertEqual(power_state.RUNNING, self.power_state())
        self.assertEqual(power_state.RUNNING,
                         self.power_state(power_state.NOSTATE))
        self.server.vm_state = vm_states.PAUSED
        self.assertEqual(power_state.PAUSED, self.power_state())
        self.server.vm_state = vm_states.STOPPED
        self.assertEqual(power_state.SHUTDOWN, self.power_state())

    def test_who_ends_its_qemu_sees_that_it_has_ended(self):
        """LibvirtDriver waits for that, and would wait for ever."""
        self.fixate()
        seen = []
        with fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver, '_destroy',
                side_effect=lambda _instance: seen.append(
                    self.power_state())):
            self.driver._destroy(self.server)
        self.assertEqual([power_state.SHUTDOWN], seen)
        self.assertEqual(power_state.RUNNING, self.power_state())

    def test_start_of_nova_does_not_reboot_what_is_proven(self):
        self.fixate()
        self.driver.resume_state_on_host_boot(self.context, self.server, [],
                                              None)
        self.assertFalse(self.reboot.called)
        self.assertTrue(self.proven())
