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
"""Somebody takes a server away, at each instant of its recovery."""

import contextlib
from unittest import mock

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova import exception as nova_exception
from nova import objects

from nova_temporality import conf
from nova_temporality.privsep import runs
from nova_temporality.virt.recovery import clock
from nova_temporality.virt.recovery import volumes
from tests.unit.virt.recovery import recovery_base


class InstantsTest(recovery_base.RecoveryTestCase):
    """It does not run then, and keeps its state: the other side decides."""

    def setUp(self):
        super().setUp()
        self.fixate()

    @staticmethod
    @contextlib.contextmanager
    def instead(called, function):
        before, called.side_effect = called.side_effect, function
        yield
        called.side_effect = before

    # -- instants: contexts in which something happens once -------------------

    @contextlib.contextmanager
    def clock_wait(self, change):
        conf.CONF.set_override('max_outage', 3600, group='temporality')
        with mock.patch.object(clock, 'may_be_wrong') as may_be_wrong:
            def wait(_deadline):
                change()
                may_be_wrong.return_value = False
            with mock.patch.object(clock, 'wait_synchronised', wait):
                yield
        conf.CONF.clear_override('max_outage', group='temporality')

    def slow_volume(self, change):
        connect = volumes.Connections.connect

        def slow(*args):
            change()
            return connect(*args)

        return mock.patch.object(volumes.Connections, 'connect', slow)

    def start_of_qemu(self, change):
        def create(*args):
            change()
            return self.create_domain(*args)

        return self.instead(self.connection.createXML, create)

    def load_of_the_state(self, change):
        return self.instead(self.load, lambda *_args: change())

    def wait_for_the_run_lock(self, change):
        begin = runs._begin_run

        def slow(*args):
            change()
            begin(*args)

        return mock.patch.object(runs, '_begin_run', slow)

    # -- events: what changes, and how it is changed back ---------------------

    @contextlib.contextmanager
    def changed(self, **values):
        before = {name: getattr(self.server, name) for name in values}
        yield lambda: self.server.update(values)
        self.server.update(before)

    @contextlib.contextmanager
    def evacuated(self):
        yield lambda: self.evacuations.append(objects.Migration(
            status='accepted', dest_compute='there'))
        self.evacuations.clear()

    def evacuated_to_the_end(self):
        return self.changed(host='there')

    @contextlib.contextmanager
    def deleted(self):
        before = objects.Instance.get_by_uuid.side_effect

        def gone():
            objects.Instance.get_by_uuid.side_effect = (
                nova_exception.InstanceNotFound(instance_id='x'))

        yield gone
        objects.Instance.get_by_uuid.side_effect = before

    def being_deleted(self):
        return self.changed(task_state=task_states.DELETING)

    @contextlib.contextmanager
    def forced_down(self):
        yield lambda: setattr(self.service, 'forced_down', True)
        self.service.forced_down = False

    @contextlib.contextmanager
    def silent(self):
        yield lambda: setattr(self.is_fresh, 'return_value', False)
        self.is_fresh.return_value = True

    def at_each_instant(self, event):
        for instant in (self.clock_wait, self.slow_volume, self.start_of_qemu,
                        self.load_of_the_state, self.wait_for_the_run_lock):
            self.domain = None
            with event() as change, self.subTest(instant.__name__):
                happened = mock.Mock(side_effect=lambda: change())
                with instant(happened):
                    self.driver.recoveries._try(self.server.uuid)
                self.assertTrue(happened.called)
                if self.domain:
                    self.assertFalse(self.domain.resume.called)
                    self.assertEqual(power_state.SHUTDOWN, self.domain.state)
                self.assertTrue(self.proven())
                self.assertEqual([], self.faults)
                self.assertEqual(vm_states.ACTIVE, self.server.vm_state)
        # Nothing else was in the way.
        self.domain = None
        self.assertIsNone(self.driver.recoveries._try(self.server.uuid))
        self.assertEqual(power_state.RUNNING, self.domain.state)

    def test_evacuated(self):
        self.at_each_instant(self.evacuated)

    def test_evacuated_to_the_end(self):
        self.at_each_instant(self.evacuated_to_the_end)

    def test_deleted(self):
        self.at_each_instant(self.deleted)

    def test_being_deleted(self):
        self.at_each_instant(self.being_deleted)

    def test_forced_down(self):
        self.at_each_instant(self.forced_down)

    def test_service_that_does_not_report_any_more(self):
        self.at_each_instant(self.silent)
