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

"""The request filter: a pVM claims NVRAM and no ordinary memory."""

from unittest import mock

import fixtures
from nova.compute import vm_states
from nova import context
from nova import exception
from nova import objects
from nova import policy as nova_policy
from nova.scheduler.client import report
from nova.scheduler import request_filter as nova_request_filter
from nova.scheduler import utils
from nova.virt import hardware
from oslo_limit import fixture as limit_fixture
from oslo_policy import policy as policy_engine
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality import conf
from nova_temporality import scheduler
from nova_temporality.scheduler import policy
from nova_temporality.scheduler import request_filter
from nova_temporality.spec import persistence
from tests.unit import base


class ClaimNvramTest(base.NovaTestCase):

    def setUp(self):
        super().setUp()
        self.context = context.get_admin_context()
        self.overhead(0)
        self.spec = objects.RequestSpec(
            instance_uuid=uuids.server, project_id=uuids.project,
            num_instances=1, is_bfv=False,
            flavor=objects.Flavor(
                vcpus=1, memory_mb=512, root_gb=1, ephemeral_gb=0, swap=0,
                extra_specs={}),
            image=objects.ImageMeta(properties=objects.ImageMetaProps()),
            numa_topology=None, pci_requests=None, requested_resources=[])

    def new_server(self, **metadata):
        self.server(metadata, {})
        build_request = mock.patch.object(
            objects.BuildRequest, 'get_by_instance_uuid',
            return_value=objects.BuildRequest(instance=self.instance))
        self.addCleanup(build_request.stop)
        build_request.start()

    def moving_server(self, metadata, system_metadata):
        self.server(metadata, system_metadata)
        for cls, name, value in (
                (objects.BuildRequest, 'get_by_instance_uuid',
                 {'side_effect': exception.BuildRequestNotFound(
                     uuid=uuids.server)}),
                (objects.InstanceMapping, 'get_by_instance_uuid',
                 {'return_value': objects.InstanceMapping(
                     cell_mapping=objects.CellMapping(
                         uuid=uuids.cell, database_connection='none:///',
                         transport_url='none:///'))}),
                (objects.Instance, 'get_by_uuid',
                 {'return_value': self.instance})):
            patch = mock.patch.object(cls, name, **value)
            self.addCleanup(patch.stop)
            patch.start()

    def server(self, metadata, system_metadata):
        self.instance = objects.Instance(
            uuid=uuids.server, metadata=metadata, vm_state='active',
            system_metadata=system_metadata, flavor=objects.Flavor(
                memory_mb=512, extra_specs={}))

    def overhead(self, mib):
        conf.CONF.set_override('qemu_overhead_mb', mib, group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'qemu_overhead_mb',
                        group='temporality')

    def test_qemu_itself_claims_memory(self):
        self.new_server(persistent='true')
        self.overhead(100)
        # and 2 MiB for each GiB of memory, 18 MiB with a pager
        for memory_mb, mrr, mib in ((1, '100', 101), (512, '100', 101),
                                    (513, '100', 102), (4096, '100', 108),
                                    (4096, '50', 172)):
            self.spec.flavor.extra_specs = {'temporality:mrr': mrr}
            self.spec.flavor.memory_mb = memory_mb
            _ran, resources, _traits = self.claim()
            self.assertEqual(mib, resources['MEMORY_MB'])

    def claim(self):
        ran = request_filter.claim_nvram(self.context, self.spec)
        request = utils.ResourceRequest.from_request_spec(self.spec)
        group = request._rg_by_id[None] if None in request._rg_by_id else (
            request._rg_by_id[''])
        return ran, group.resources, group.required_traits

    def test_property_claims_nvram_only(self):
        self.new_server(persistent='true')
        ran, resources, traits = self.claim()
        self.assertTrue(ran)
        self.assertEqual(512, resources['CUSTOM_NVRAM_MB'])
        self.assertNotIn('MEMORY_MB', resources)
        self.assertEqual(1, resources['VCPU'])
        self.assertIn('CUSTOM_TEMPORALITY', traits)

    def pages_looked_for(self):
        self.spec.numa_topology = objects.InstanceNUMATopology(cells=[
            objects.InstanceNUMACell(pagesize=hardware.MEMPAGES_LARGE),
            objects.InstanceNUMACell(pagesize=None)])
        request_filter.claim_nvram(self.context, self.spec)
        return [cell.pagesize for cell in self.spec.numa_topology.cells]

    def test_no_host_is_looked_for_by_its_pages(self):
        self.new_server(persistent='true')
        self.assertEqual([hardware.MEMPAGES_SMALL, None],
                         self.pages_looked_for())

    def test_ordinary_servers_host_is_looked_for_by_its_pages(self):
        self.new_server()
        self.assertEqual([hardware.MEMPAGES_LARGE, None],
                         self.pages_looked_for())

    def test_flavor_claims_nvram_only(self):
        self.spec.flavor.extra_specs[persistence.FLAVOR_EXTRA_SPEC] = 'true'
        self.new_server()
        ran, resources, _traits = self.claim()
        self.assertTrue(ran)
        self.assertEqual(512, resources['CUSTOM_NVRAM_MB'])
        self.assertNotIn('MEMORY_MB', resources)

    def test_paged_server_claims_its_nvram_only(self):
        self.new_server(persistent='true')
        for specs, wanted in (({'temporality:mrr': '60'}, 307),
                              ({'temporality:nvram_mb': '100'}, 100)):
            self.spec.flavor.extra_specs = specs
            _ran, resources, _traits = self.claim()
            self.assertEqual(wanted, resources['CUSTOM_NVRAM_MB'])
            self.assertNotIn('MEMORY_MB', resources)

    def test_bad_size_becomes_the_fault(self):
        self.spec.flavor.extra_specs = {'temporality:mrr': '200'}
        self.new_server(persistent='true')
        exc = self.assertRaises(
            exception.RequestFilterFailed, request_filter.claim_nvram,
            self.context, self.spec)
        self.assertIn("'200'", exc.format_message())

    def test_sizes_of_others_are_no_business_of_ours(self):
        self.spec.flavor.extra_specs = {'temporality:mrr': '200'}
        self.new_server()
        ran, resources, _traits = self.claim()
        self.assertFalse(ran)
        self.assertEqual(512, resources['MEMORY_MB'])

    def test_others_are_left_alone(self):
        self.new_server(colour='blue')
        ran, resources, traits = self.claim()
        self.assertFalse(ran)
        self.assertEqual(512, resources['MEMORY_MB'])
        self.assertNotIn('CUSTOM_NVRAM_MB', resources)
        self.assertEqual(set(), traits)

    def test_flavor_without_loaded_extra_specs(self):
        self.spec.flavor = objects.Flavor(
            vcpus=1, memory_mb=64, root_gb=1, ephemeral_gb=0, swap=0)
        self.new_server(persistent='true')
        self.assertTrue(request_filter.claim_nvram(self.context, self.spec))
        self.assertEqual(
            '64', self.spec.flavor.extra_specs['resources:CUSTOM_NVRAM_MB'])

    def test_bad_value_becomes_the_fault(self):
        self.new_server(persistent='maybe')
        exc = self.assertRaises(
            exception.RequestFilterFailed, request_filter.claim_nvram,
            self.context, self.spec)
        self.assertIn("'maybe'", exc.format_message())

    def test_a_move_follows_the_decision_not_the_metadata(self):
        system_metadata = {}
        self.moving_server({'persistent': 'false'}, system_metadata)
        persistence.freeze(self.instance, True, by_server=True)
        ran, resources, _traits = self.claim()
        self.assertTrue(ran)
        self.assertEqual(512, resources['CUSTOM_NVRAM_MB'])

    def test_policy_concerns_the_property_alone(self):
        with mock.patch.object(policy, 'may_create_by_property',
                               return_value=False):
            self.new_server(persistent='true')
            exc = self.assertRaises(exception.RequestFilterFailed, self.claim)
            self.assertIn('temporality:create:by_property',
                          exc.format_message())
            self.instance.metadata = {'persistent': 'false'}
            self.assertFalse(self.claim()[0])
            self.spec.flavor.extra_specs = {'temporality:persistent': 'true'}
            self.assertTrue(self.claim()[0])

    def test_policy_concerns_images_as_well(self):
        # Who may not ask by property may not by an image of his own either.
        nova_policy.init()
        nova_policy._ENFORCER.set_rules(policy_engine.Rules.from_dict(
            {policy.CREATE_BY_PROPERTY: '!'}), overwrite=False)
        self.addCleanup(nova_policy.reset)
        self.context = context.RequestContext(
            'user', 'project', roles=['member'])
        self.new_server()
        self.instance.system_metadata = {
            'image_temporality_persistent': 'true'}
        exc = self.assertRaises(exception.RequestFilterFailed, self.claim)
        self.assertIn('temporality:create:by_image', exc.format_message())
        self.assertIn('temporality_persistent', exc.format_message())
        self.instance.system_metadata = {
            'image_temporality_persistent': 'false'}
        self.assertFalse(self.claim()[0])

    def limit(self, mib, used):
        conf.CONF.set_override('project_nvram_mb', mib, group='temporality')
        self.addCleanup(conf.CONF.clear_override, 'project_nvram_mb',
                        group='temporality')
        self.usages = self.useFixture(fixtures.MockPatchObject(
            report.SchedulerReportClient, 'get_usages_counts_for_limits',
            return_value={'CUSTOM_NVRAM_MB': used} if used else {})).mock

    def test_limit_of_a_project(self):
        self.limit(1024, used=512)
        self.new_server(persistent='true')
        self.assertTrue(self.claim()[0])
        self.assertEqual(uuids.project, self.usages.call_args[0][1])
        self.usages.return_value['CUSTOM_NVRAM_MB'] = 513
        exc = self.assertRaises(exception.RequestFilterFailed, self.claim)
        for number in ('512', '513', '1024'):
            self.assertIn(number, exc.format_message())
        # ordinary servers are not concerned
        self.instance.metadata = {}
        self.assertFalse(self.claim()[0])

    def test_limit_counts_all_servers_of_a_request(self):
        self.limit(1024, used=0)
        self.new_server(persistent='true')
        self.spec.num_instances = 2
        self.assertTrue(self.claim()[0])
        self.spec.num_instances = 3
        self.assertRaises(exception.RequestFilterFailed, self.claim)

    def test_no_limit(self):
        self.limit(-1, used=1 << 40)
        self.new_server(persistent='true')
        self.assertTrue(self.claim()[0])
        self.assertFalse(self.usages.called)

    def test_what_a_server_has_is_never_taken_by_a_limit(self):
        # evacuation, migration, a resize to less
        self.limit(0, used=512)
        self.moving_server({}, {})
        persistence.freeze(self.instance, True, by_server=True)
        # It was one of several that were created at once.
        self.spec.num_instances = 3
        for memory_mb in (512, 256):
            self.spec.flavor.memory_mb = memory_mb
            self.assertTrue(self.claim()[0])

    def test_what_a_resize_adds_counts(self):
        self.limit(1000, used=512)
        self.moving_server({}, {})
        persistence.freeze(self.instance, True, by_server=True)
        for memory_mb, fits in ((1000, True), (1001, False)):
            self.spec.flavor.memory_mb = memory_mb
            if fits:
                self.assertTrue(self.claim()[0])
            else:
                self.assertRaises(exception.RequestFilterFailed, self.claim)

    def test_a_shelved_server_has_no_nvram(self):
        self.limit(1000, used=512)
        self.moving_server({}, {})
        persistence.freeze(self.instance, True, by_server=True)
        self.instance.vm_state = vm_states.SHELVED_OFFLOADED
        self.assertRaises(exception.RequestFilterFailed, self.claim)

    def test_placement_cannot_tell(self):
        self.limit(1024, used=0)
        self.usages.side_effect = exception.UsagesRetrievalFailed(
            project_id=uuids.project, user_id='N/A')
        self.new_server(persistent='true')
        exc = self.assertRaises(exception.RequestFilterFailed, self.claim)
        self.assertIn('Placement', exc.format_message())

    def test_unified_limits(self):
        self.limit(0, used=512)
        self.flags(driver='nova.quota.UnifiedLimitsDriver', group='quota')
        self.useFixture(limit_fixture.LimitFixture(
            {'class:CUSTOM_NVRAM_MB': 100},
            {uuids.project: {'class:CUSTOM_NVRAM_MB': 1024}}))
        self.new_server(persistent='true')
        # Keystone's limit counts then, and not the option.
        self.assertTrue(self.claim()[0])
        self.usages.return_value['CUSTOM_NVRAM_MB'] = 513
        exc = self.assertRaises(exception.RequestFilterFailed, self.claim)
        self.assertIn('class:CUSTOM_NVRAM_MB', exc.format_message())

    def test_a_resize_follows_the_new_flavor(self):
        self.moving_server({}, {})
        persistence.freeze(self.instance, True)
        ran, resources, _traits = self.claim()
        self.assertFalse(ran)
        self.assertNotIn('CUSTOM_NVRAM_MB', resources)

    def test_a_resize_into_persistence(self):
        self.moving_server({}, {})
        persistence.freeze(self.instance, False)
        self.spec.flavor.extra_specs = {'temporality:persistent': 'true'}
        ran, resources, _traits = self.claim()
        self.assertTrue(ran)
        self.assertEqual(512, resources['CUSTOM_NVRAM_MB'])

    def test_metadata_edited_later_changes_nothing(self):
        self.moving_server({'persistent': 'true'}, {})
        persistence.freeze(self.instance, False)
        ran, resources, _traits = self.claim()
        self.assertFalse(ran)
        self.assertEqual(512, resources['MEMORY_MB'])

    def test_servers_from_before_are_asked_for_their_flavor_alone(self):
        # nova-compute froze nothing when they were spawned
        self.moving_server({'persistent': 'true'},
                           {'image_temporality_persistent': 'true'})
        self.assertFalse(self.claim()[0])

    def test_registered_once(self):
        filters = list(nova_request_filter.ALL_REQUEST_FILTERS)
        self.stub_out(
            'nova.scheduler.request_filter.ALL_REQUEST_FILTERS', filters)
        self.assertEqual([], scheduler.register())
        self.assertEqual([], scheduler.register())
        self.assertEqual(1, filters.count(request_filter.claim_nvram))
