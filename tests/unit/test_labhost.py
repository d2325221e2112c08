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

"""What stands for Nova's database in the laboratory is enough for recovery."""

from unittest import mock

import fixtures
from nova import context as nova_context
from oslo_utils.fixture import uuidsentinel as uuids
import pytest

from nova_temporality.virt.recovery import ownership
from nova_temporality.virt.recovery import service
from tests.unit import base

# "make install" installs it.
control_plane = pytest.importorskip('labhost.control_plane')
servers = pytest.importorskip('labhost.servers')


class ControlPlaneTest(base.NovaTestCase):

    def setUp(self):
        super().setUp()
        self.flags(instances_path=self.useFixture(fixtures.TempDir()).path)
        # A small kernel is enough.
        self.useFixture(fixtures.MockPatchObject(servers, 'KERNEL', __file__))

    def test_servers_are_this_hosts(self):
        for uuid, kind in ((uuids.one, 'resident'), (uuids.two, 'paged')):
            servers.make(uuid, kind)
            with control_plane.ControlPlane().there():
                owned = ownership.confirm(
                    nova_context.get_admin_context(), uuid,
                    service.Service(mock.Mock()))
            self.assertEqual(uuid, owned.uuid)
            self.assertEqual(kind == 'paged',
                             'temporality:mrr' in owned.flavor.extra_specs)
