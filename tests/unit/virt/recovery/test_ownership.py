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

"""At most one copy of a server runs: recovery asks directly before."""

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova import exception as nova_exception
from nova import objects
import oslo_messaging

from tests.unit.virt.recovery import recovery_base


class OwnershipTest(recovery_base.RecoveryTestCase):
    """What happens while a state is loaded, which takes its time."""

    def setUp(self):
        super().setUp()
        self.fixate()

    def meanwhile(self, change):
        """Have something happen after the server was read first."""
        self.load.side_effect = lambda *args: change()

    def assert_does_not_run(self, reason):
        said = self.recover()
        self.assertEqual(power_state.SHUTDOWN, self.domain.state)
        self.assertFalse(self.domain.resume.called)
        self.assertTrue(self.proven())
        self.assertFalse(self.driver.servers.of(self.server).is_recovering())
        # It is healthy, wherever it is.
        self.assertEqual([], self.faults)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        if reason:
            self.assertIn(reason, said)
        else:
            self.assertIsNone(said)

    def evacuate(self):
        self.evacuations.append(objects.Migration(
            status='accepted', dest_compute='there'))

    def test_evacuated(self):
        self.meanwhile(self.evacuate)
        self.assert_does_not_run('evacuated to there')
        # A QEMU of it that survived nova-compute is ended, too.
        self.look_after.assert_called_with(self.server.uuid)

    def test_user_does_something_else_with_it(self):
        def change():
            now = self.make_server(persistent=True)
            now.task_state = task_states.REBOOT_PENDING_HARD
            self.servers[self.server.uuid] = now

        self.meanwhile(change)
        self.assert_does_not_run('reboot_pending_hard')

    def answers_late(self, asked):
        """Until its answer the service has come to count as down."""
        def change():
            answer = asked.side_effect

            def late(*args, **kwargs):
                self.is_fresh.return_value = False
                return (answer(*args, **kwargs) if answer
                        else asked.return_value)

            asked.side_effect = late

        self.meanwhile(change)
        self.assert_does_not_run('counts as down')

    def test_evacuations_are_told_late(self):
        self.answers_late(objects.MigrationList.get_by_filters)

    def test_volumes_are_told_late(self):
        self.answers_late(objects.BlockDeviceMappingList.get_by_instance_uuid)

    def test_evacuation_that_failed_gives_it_back(self):
        self.meanwhile(self.evacuate)
        self.assert_does_not_run('evacuated')
        self.evacuations.clear()
        self.load.side_effect = None
        self.assertIsNone(self.recover())
        self.assertEqual(power_state.RUNNING, self.domain.state)
        self.assertFalse(self.proven())

    def test_on_another_host_by_now(self):
        def change():
            moved = self.make_server(persistent=True)
            moved.host = 'there'
            self.servers[self.server.uuid] = moved

        self.meanwhile(change)
        self.assert_does_not_run(None)

    def test_deleted(self):
        def get(context, uuid, expected_attrs=None):
            raise nova_exception.InstanceNotFound(instance_id=uuid)

        def change():
            objects.Instance.get_by_uuid.side_effect = get

        self.meanwhile(change)
        self.assert_does_not_run(None)

    def test_being_deleted(self):
        def change():
            self.server.task_state = task_states.DELETING

        self.meanwhile(change)
        self.assert_does_not_run(None)

    def test_fenced(self):
        def change():
            self.service.forced_down = True

        self.meanwhile(change)
        self.assert_does_not_run('forced down')

    def test_service_that_does_not_report_any_more(self):
        """Else it could be evacuated between the question and its run."""
        def change():
            self.is_fresh.return_value = False

        self.meanwhile(change)
        self.assert_does_not_run('counts as down')

    def test_nobody_can_tell(self):
        def change():
            objects.Service.get_by_compute_host.side_effect = (
                oslo_messaging.MessagingTimeout())

        self.meanwhile(change)
        self.assert_does_not_run('nova-conductor')

    def test_fenced_from_the_start(self):
        self.service.forced_down = True
        self.assertIn('forced down', self.recover())
        self.assertIsNone(self.domain)
        self.assertTrue(self.proven())
        self.assertEqual([], self.faults)

    def test_recovery_that_was_cut_off_asks_too(self):
        self.driver.servers.of(self.server).prepare_recovery()
        self.make_domain(power_state.PAUSED)
        self.pool().begin_epoch(self.region.id)
        self.evacuate()
        self.assertIn('evacuated', self.recover())
        self.assertFalse(self.domain.resume.called)

    def test_cold_boot_asks_too(self):
        self.set_option('on_unproven_state', 'cold-boot')
        self.pool().begin_epoch(self.region.id)
        self.event_finish_with_failure.side_effect = (
            lambda *args, **kwargs: self.evacuate())
        self.assertIn('evacuated', self.recover())
        self.assertFalse(self.reboot.called)


class FaultTest(recovery_base.RecoveryTestCase):

    def test_server_that_went_elsewhere_keeps_its_state(self):
        """The image lock of shared storage stopped it here, say."""
        def change(*args):
            moved = self.make_server(persistent=True)
            moved.host = 'there'
            self.servers[self.server.uuid] = moved
            raise OSError('locked')

        self.fixate()
        self.load.side_effect = change
        self.assertIn('locked', self.recover())
        self.assertEqual([], self.faults)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)

    def test_text_of_any_exception(self):
        self.fixate()
        self.load.side_effect = OSError(5, 'Input/output error', '/dev/sdb')
        self.recover()
        self.assertIn('/dev/sdb', self.faults[0])
