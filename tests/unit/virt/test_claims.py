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

"""What pVMs claim on a host, of pages that Nova takes for hugetlbfs'."""

from unittest import mock

from nova.compute import resource_tracker
from nova import exception as nova_exception
from nova.virt import hardware

from nova_temporality.privsep import regions
from nova_temporality.virt import claims
from tests.unit.virt import base


class ClaimsTest(base.DriverTestCase):
    """With Nova's ResourceTracker replaced by one that writes down."""

    def setUp(self):
        super().setUp()
        self.tracker = mock.create_autospec(
            resource_tracker.ResourceTracker, instance=True)
        self.claimed = self.tracker.instance_claim
        self.moved = self.tracker._move_claim
        claims.give_way(self.tracker)

    def server(self, words='large', **specs):
        server = self.make_server(metadata={'persistent': 'true'},
                                  extra_specs={'hw:mem_page_size': words,
                                               **specs})
        server.numa_topology = hardware.numa_get_constraints(
            server.flavor, self.image())
        return server

    def has_large(self, problem=None):
        patch = mock.patch.object(regions, 'large_pages_problem',
                                  return_value=problem)
        self.addCleanup(patch.stop)
        return patch.start()

    def move(self, server, flavor, image=None):
        self.tracker._move_claim(self.context, server, flavor, 'node',
                                 None, [], image_meta=image, limits=None)
        (_context, _server, flavor, *_), kwargs = self.moved.call_args
        return hardware.numa_get_constraints(
            flavor, kwargs['image_meta']).cells[0].pagesize

    def test_new_one_claims_small_pages(self):
        self.has_large()
        for words in ('small', 'any', 'large', '2048', '2MB'):
            server = self.server(words)
            self.tracker.instance_claim(self.context, server, 'node', [])
            self.assertEqual(hardware.MEMPAGES_SMALL,
                             server.numa_topology.cells[0].pagesize)
            self.assertIs(server, self.claimed.call_args.args[1])

    def test_moving_one_claims_small_pages(self):
        self.has_large()
        server = self.make_server(persistent=True)
        flavor = self.server(
            **{'temporality:persistent': 'true'}).flavor
        self.assertEqual(hardware.MEMPAGES_SMALL, self.move(server, flavor))
        self.assertEqual('large', flavor.extra_specs['hw:mem_page_size'])
        image = self.image(hw_mem_page_size='2048')
        self.assertEqual(hardware.MEMPAGES_SMALL,
                         self.move(server, flavor, image))
        self.assertEqual('2048', image.properties.hw_mem_page_size)

    def test_each_of_several_cells_gets_one_of_the_hosts(self):
        self.has_large()
        server = self.make_server(
            metadata={'persistent': 'true'}, memory_mb=1536, extra_specs={
                'hw:mem_page_size': 'large', 'hw:numa_nodes': '2',
                'hw:cpu_policy': 'dedicated'})
        server.flavor.vcpus = 2
        server.numa_topology = hardware.numa_get_constraints(
            server.flavor, self.image())
        host = base.host_topology({2, 3}, {4, 5})

        def fitted():
            return hardware.numa_fit_instance_to_host(
                host, server.numa_topology, None)

        self.assertIsNone(fitted())

        self.tracker.instance_claim(self.context, server, 'node', [])

        self.assertEqual(
            [(0, 768, {0: 2}), (1, 768, {1: 4})],
            [(cell.id, cell.memory, cell.cpu_pinning)
             for cell in fitted().cells])
        # One cell of the host is not enough for them.
        host.cells.pop()
        self.assertIsNone(fitted())

    def test_ordinary_ones_claim_what_they_want(self):
        problem = self.has_large('none')
        server = self.server()
        server.metadata = {}
        self.tracker.instance_claim(self.context, server, 'node', [])
        self.assertEqual(hardware.MEMPAGES_LARGE,
                         server.numa_topology.cells[0].pagesize)
        self.assertEqual(hardware.MEMPAGES_LARGE, self.move(
            server, server.flavor, self.image()))
        self.assertFalse(problem.called)

    def test_host_without_large_pages(self):
        self.has_large('it has none')
        server = self.server()
        exc = self.assertRaises(
            nova_exception.ComputeResourcesUnavailable,
            self.tracker.instance_claim, self.context, server, 'node', [])
        self.assertIn('2 MiB on this host: it has none', str(exc))
        flavor = self.server(**{'temporality:persistent': 'true'}).flavor
        self.assertRaises(nova_exception.ComputeResourcesUnavailable,
                          self.move, server, flavor)
        self.assertFalse(self.claimed.called or self.moved.called)
        self.tracker.instance_claim(self.context, self.server('any'), 'node',
                                    [])

    def test_what_no_host_has_is_left_to_the_driver(self):
        problem = self.has_large('it has none')
        for server in (self.server('1GB'),
                       self.server(**{'temporality:mrr': '50'})):
            self.tracker.instance_claim(self.context, server, 'node', [])
        self.assertEqual(2, self.claimed.call_count)
        self.assertFalse(problem.called)

    def test_bad_request_is_left_to_the_driver(self):
        server = self.server()
        server.metadata = {'persistent': 'maybe'}
        self.tracker.instance_claim(self.context, server, 'node', [])
        self.assertTrue(self.claimed.called)

    def test_driver_sees_to_it(self):
        compute = mock.Mock(rt=self.tracker)
        before = compute.rt.instance_claim
        self.driver.virtapi._compute = compute
        with mock.patch.object(self.driver, '_check_versions'), \
                mock.patch.object(self.driver.recoveries, 'watch'), \
                mock.patch('nova.virt.libvirt.driver.LibvirtDriver.'
                           'init_host'):
            self.driver.init_host('host')
        self.assertIsNot(before, compute.rt.instance_claim)
