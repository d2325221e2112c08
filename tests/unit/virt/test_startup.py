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

from nova.virt.libvirt import driver as libvirt_driver
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

    def starting_33(self):
        self.driver.__class__ = _Driver33
        for name in ('init_host', 'plug_vifs', 'get_available_resource'):
            self.patch(libvirt_driver.LibvirtDriver, name, mock.Mock())
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
