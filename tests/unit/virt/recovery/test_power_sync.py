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
"""Nova's power sync, and a server that is to be recovered."""

import functools
import types
from unittest import mock

import fixtures
from nova.compute import manager as compute_manager
from nova.compute import power_state
from nova.compute import vm_states
from nova import objects
from nova.virt import hardware
from nova.virt.libvirt import driver as libvirt_driver
import oslo_messaging

from tests.unit.virt.recovery import recovery_base


class PowerSyncTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.stop = mock.Mock()
        nova = compute_manager.ComputeManager
        self.nova = types.SimpleNamespace(
            driver=self.driver, host='host',
            compute_api=mock.Mock(stop=self.stop,
                                  force_stop=self.stop))
        for name in ('_sync_instance_power_state',
                     '_stop_unexpected_shutdown_instance'):
            setattr(self.nova, name,
                    functools.partial(getattr(nova, name), self.nova))
        self.sync_one = functools.partial(
            nova._query_driver_power_state_and_sync, self.nova, self.context)
        self.sync = functools.partial(self.sync_one, self.server)
        self.server.shutdown_terminate = False
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'refresh'))
        self.found = power_state.SHUTDOWN
        self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, 'get_info',
            side_effect=lambda *_args: hardware.InstanceInfo(
                state=self.found)))

    def test_server_that_is_off_is_stopped(self):
        """Else the other test shows nothing."""
        self.sync()
        self.assertTrue(self.stop.called)

    def test_server_that_stands_still_is_shown_as_that(self):
        """During an outage in which its host still has power."""
        self.found = power_state.PAUSED
        self.sync()
        self.assertEqual(power_state.PAUSED, self.server.power_state)
        self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        self.assertFalse(self.stop.called)

    def test_reset_to_active_after_a_recovery_that_failed(self):
        """An operator's reflex, that seems to work."""
        self.fixate()
        self.load.side_effect = OSError('no such luck')
        self.recover()
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.server.vm_state = vm_states.ACTIVE
        self.sync()
        self.assertFalse(self.stop.called)
        self.assertTrue(self.proven())
        # nova-compute goes on with it.
        self.added.assert_called_with(self.server.uuid)

    def test_sync_that_began_before_a_recovery_failed(self):
        """Nova's power sync reads all servers first, then asks for each."""
        self.fixate()
        self.load.side_effect = OSError('no such luck')
        before = self.server.obj_clone()
        self.recover()
        self.assertEqual(vm_states.ERROR, self.server.vm_state)
        self.sync_one(before)
        self.assertFalse(self.stop.called)
        # It was tried as often as recovery_retry says.
        self.assertFalse(self.added.called)

    def test_nova_does_not_say_what_it_has_by_now(self):
        self.fixate()
        objects.Instance.get_by_uuid.side_effect = (
            oslo_messaging.MessagingTimeout())
        self.sync()
        self.assertFalse(self.stop.called)
        self.assertFalse(self.added.called)
