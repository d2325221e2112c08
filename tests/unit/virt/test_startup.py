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

"""Which servers are recovered when nova-compute starts."""

from unittest import mock

import nova.conf
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
import oslo_messaging
import testtools

from nova_temporality.virt import driver
from nova_temporality.virt.recovery import keeper
from nova_temporality.virt import startup
from tests.unit.virt import base

HAS_HOOK = hasattr(libvirt_driver.LibvirtDriver,
                   'process_instances_at_startup')


if HAS_HOOK:
    class _Driver33(startup._WithoutHook, driver.TemporalityDriver):
        pass
else:
    _Driver33 = driver.TemporalityDriver


class StartupTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.recovered = []
        self.patch(keeper.Keeper, 'start', lambda _keeper, servers:
                   self.recovered.extend(one.uuid for one in servers))
        self.patch(keeper.Keeper, 'watch', mock.Mock())
        self.pvm = self.make_server(persistent=True)

    def patch(self, target, name, new):
        patcher = mock.patch.object(target, name, new)
        patcher.start()
        self.addCleanup(patcher.stop)

    @testtools.skipUnless(HAS_HOOK, 'Nova 34 brought the hook')
    def test_hook_of_nova_34(self):
        plain = self.make_server(persistent=False)
        self.patch(libvirt_driver.LibvirtDriver,
                   'process_instances_at_startup',
                   lambda _self, _context, instances: instances)
        self.driver.process_instances_at_startup(
            self.context, [self.pvm, plain])
        self.assertEqual([self.pvm.uuid], self.recovered)

    def earlier(self):
        server = self.make_server()
        server.system_metadata['temporality_persistent'] = 'true'
        server.obj_reset_changes()
        return server

    def read_anew(self, host):
        """What Nova has of a server by now."""
        fresh = self.earlier()
        fresh.host = host
        fresh.system_metadata['noted_since'] = 'true'
        self.patch(objects.Instance, 'get_by_uuid',
                   mock.Mock(return_value=fresh))
        return fresh

    def test_what_was_noted_since_the_start_is_kept(self):
        fresh = self.read_anew(nova.conf.CONF.host)
        server = self.earlier()
        startup._rename_notes([server])
        self.assertEqual(1, self.saved.call_count)
        self.assertNotIn('temporality_persistent', fresh.system_metadata)
        self.assertEqual('true', fresh.system_metadata['noted_since'])
        # Nova saves what it has in its hands later on.
        self.assertNotIn('system_metadata', server.obj_what_changed())

    def test_servers_that_have_left_are_not_written(self):
        self.read_anew('elsewhere')
        startup._rename_notes([self.earlier()])
        self.assertFalse(self.saved.called)

    @testtools.skipUnless(HAS_HOOK, 'Nova 34 brought the hook')
    def test_notes_of_an_earlier_release_are_renamed(self):
        self.patch(libvirt_driver.LibvirtDriver,
                   'process_instances_at_startup',
                   lambda _self, _context, instances: instances)
        self.patch(objects.Instance, 'get_by_uuid', lambda *_args, **_kwargs:
                   self.read.pop())
        for trouble, tries in (
                (None, 2),
                (nova_exception.InstanceNotFound(instance_id='x'), 2),
                # Each would be waited for as long.
                (oslo_messaging.MessagingTimeout(), 1)):
            self.recovered.clear()
            self.saved.reset_mock()
            self.saved.side_effect = trouble
            self.read = [self.earlier(), self.earlier()]
            for one in self.read:
                one.host = nova.conf.CONF.host
            servers = [self.earlier(), self.earlier(), self.pvm]
            self.driver.process_instances_at_startup(self.context, servers)
            self.assertEqual(tries, self.saved.call_count)
            self.assertNotIn('temporality_persistent',
                             servers[0].system_metadata)
            self.assertEqual([one.uuid for one in servers], self.recovered)

    def test_nova_33_renames_notes_as_well(self):
        self.starting_33()
        self.read_anew(nova.conf.CONF.host)
        server = self.earlier()
        self.driver.plug_vifs(server, [])
        self.assertNotIn('temporality_persistent', server.system_metadata)
        self.assertEqual([server.uuid], self.recovered)

    def starting_33(self):
        self.driver.__class__ = _Driver33
        for name in ('init_host', 'plug_vifs', 'get_available_resource'):
            self.patch(libvirt_driver.LibvirtDriver, name,
                       mock.Mock(return_value={'memory_mb': 1}))
        self.patch(driver.TemporalityDriver, '_check_versions', mock.Mock())
        self.driver.init_host('host')

    def test_nova_33_recovers_each_once_while_it_starts(self):
        self.starting_33()
        plain = self.make_server(persistent=False)
        for server in (self.pvm, plain, self.pvm):
            self.driver.plug_vifs(server, [])
        self.assertEqual([self.pvm.uuid], self.recovered)
        self.assertEqual(3, libvirt_driver.LibvirtDriver.plug_vifs.call_count)

    def test_nova_33_does_not_recover_what_it_reboots(self):
        self.starting_33()
        with self.driver.servers.of(self.pvm).region_kept():
            self.driver.plug_vifs(self.pvm, [])
        self.assertEqual([], self.recovered)

    def test_nova_33_does_not_recover_once_it_has_started(self):
        self.starting_33()
        self.driver.get_available_resource('node')
        self.driver.plug_vifs(self.pvm, [])
        self.assertEqual([], self.recovered)
