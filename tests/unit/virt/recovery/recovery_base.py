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

"""A pVM with a real region, and a libvirt that knows its domain or not."""

import os
from unittest import mock

import fixtures
import libvirt
from lxml import etree
from nova.compute import power_state
from nova.compute import utils as compute_utils
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import guest as libvirt_guest

from nova_temporality import conf
from nova_temporality.privsep import runs
from nova_temporality.virt import agent
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt.recovery import notifications
from nova_temporality.virt.recovery import service
from nova_temporality.virt.recovery import sweep
from nova_temporality import vpm
from tests.unit.virt import base

XML = ('<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">'
       "<qemu:commandline><qemu:arg value='memory-backend-file,mem-path=%s,'/>"
       '</qemu:commandline></domain>')


class RecoveryTestCase(base.DriverTestCase):
    """One pVM on a host that has booted, without a domain."""

    def setUp(self):
        super().setUp()
        self.flags(host='host')
        self.useFixture(fixtures.MockPatchObject(
            self.driver, 'plug_vifs'))
        self.load = self.useFixture(fixtures.MockPatchObject(
            runs, 'load')).mock
        self.compare_remote = self.useFixture(fixtures.MockPatchObject(
            runs, 'compare_remote_disks', return_value=[])).mock
        self.catch_up = self.useFixture(fixtures.MockPatchObject(
            agent, 'catch_up')).mock
        self.reboot = self.useFixture(fixtures.MockPatchObject(
            self.driver, '_hard_reboot', side_effect=lambda *args:
            self.make_domain(power_state.RUNNING))).mock
        self.action_start = self.useFixture(fixtures.MockPatchObject(
            objects.InstanceAction, 'action_start')).mock
        for name in ('event_start', 'event_finish_with_failure'):
            setattr(self, name, self.useFixture(fixtures.MockPatchObject(
                objects.InstanceActionEvent, name)).mock)
        self.useFixture(fixtures.MockPatchObject(
            objects.BlockDeviceMappingList, 'get_by_instance_uuid',
            return_value=objects.BlockDeviceMappingList()))
        self.faults = []
        self.useFixture(fixtures.MockPatchObject(
            compute_utils, 'add_instance_fault_from_exc',
            side_effect=lambda context, server, exc, info:
            self.faults.append(str(exc))))
        # Nova's tests know Nova's notifications only.
        self.sent, self.sent_versioned = (
            self.useFixture(fixtures.MockPatchObject(
                notifications.rpc, name)).mock
            for name in ('get_notifier', 'get_versioned_notifier'))
        self.connection = mock.Mock()
        self.connection.createXML.side_effect = self.create_domain
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_connection',
            return_value=self.connection))
        self.useFixture(fixtures.MockPatchObject(
            self.driver._host, 'get_guest', side_effect=self.get_guest))
        self.domain = None
        self.server = self.make_server(persistent=True)
        self.server.power_state = power_state.RUNNING
        self.servers = {}
        self.service = objects.Service(forced_down=False, last_seen_up=None)
        self.useFixture(fixtures.MockPatchObject(
            objects.Service, 'get_by_compute_host',
            side_effect=lambda *_args: self.service))
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', side_effect=self.get_instance))
        self.evacuations = []
        self.useFixture(fixtures.MockPatchObject(
            objects.MigrationList, 'get_by_filters',
            side_effect=lambda _context, filters: list(
                self.live_migrations
                if filters['migration_type'] == 'live-migration'
                else (one for one in self.evacuations
                      if one.status in filters['status']))))
        self.live_migrations = []
        self.useFixture(fixtures.MockPatchObject(
            objects.MigrationList, 'get_in_progress_by_instance',
            side_effect=lambda *_args: list(self.live_migrations)))
        self.useFixture(fixtures.MockPatchObject(
            service.Service, 'wait_up'))
        for name in ('_POLL', '_SETTLE'):
            self.useFixture(fixtures.MockPatchObject(service, name, 0.0))
        # Threads would go on in other tests.
        self.added = self.useFixture(fixtures.MockPatchObject(
            keeper.Keeper, 'add')).mock
        self.look_after = self.useFixture(fixtures.MockPatchObject(
            sweep.Sweep, 'add')).mock
        self.is_fresh = self.useFixture(fixtures.MockPatchObject(
            service.Service, '_is_fresh', return_value=True)).mock
        pool = self.pool()
        self.region = pool.alloc(self.server.uuid, 16 << 20)
        pool.begin_epoch(self.region.id)
        self.record()

    def set_option(self, name, value):
        """Set an option of [temporality] for this test."""
        conf.CONF.set_override(name, value, group='temporality')
        self.addCleanup(conf.CONF.clear_override, name, group='temporality')

    def get_instance(self, context, uuid, expected_attrs=None):
        """A server as Nova has it."""
        return self.servers.get(uuid, self.server)

    def record(self):
        self.directory = os.path.join(
            conf.CONF.instances_path, self.server.uuid)
        os.makedirs(self.directory, exist_ok=True)
        with open(os.path.join(self.directory, 'temporality-domain.xml'),
                  'w') as stream:
            stream.write(self.xml())

    def xml(self):
        return etree.tostring(etree.fromstring(
            XML % self.region.memory_path), encoding='unicode')

    def make_domain(self, state):
        self.domain = mock.Mock()
        self.domain.UUIDString.return_value = self.server.uuid
        self.domain.state = state
        self.domain.XMLDesc.side_effect = lambda flags: self.xml()

        def set_state(new):
            def call(*args):
                self.domain.state = new
            return call

        self.domain.resume.side_effect = set_state(power_state.RUNNING)
        self.domain.destroy.side_effect = set_state(power_state.SHUTDOWN)
        self.domain.isActive.side_effect = lambda: (
            self.domain.state != power_state.SHUTDOWN)

    def create_domain(self, xml, flags):
        self.assertIn('defer', xml)
        self.assertEqual(libvirt.VIR_DOMAIN_START_PAUSED, flags)
        self.make_domain(power_state.PAUSED)
        return self.domain

    def get_guest(self, server):
        if self.domain is None:
            raise nova_exception.InstanceNotFound(instance_id=server.uuid)
        guest = libvirt_guest.Guest(self.domain)
        guest.get_power_state = lambda host: self.domain.state
        return guest

    def fixate(self, runstate='running'):
        base.fixate(self.pool(), self.region.id, runstate)

    def proven(self):
        try:
            self.pool().verify_state(self.region.id)
        except vpm.Unproven:
            return False
        return True

    def recover(self):
        """What nova-compute does at its start; return what is in the way."""
        return self.recover_all(self.server)[0]

    def recover_all(self, *servers):
        tries = []

        def add(keeper_, uuid):
            tries.append(keeper_._try(uuid))

        self.servers.update((server.uuid, server) for server in servers)
        before, keeper.Keeper.add = keeper.Keeper.add, add
        try:
            self.driver.recoveries.start(servers)
        finally:
            keeper.Keeper.add = before
        return tries or [None]
