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

"""A server that this host has no place for goes to another."""

import os

from nova import exception as nova_exception

from tests.unit.virt import base


class AdmissionTest(base.DriverTestCase):

    def admit(self, **extra_specs):
        server = self.make_server(memory_mb=4, persistent=True,
                                  extra_specs=extra_specs)
        return self.driver._admission.admit(self.driver.servers.of(server))

    def test_paged_without_a_place_for_swap(self):
        os.rmdir(self.swap_dir)
        exc = self.assertRaises(
            nova_exception.ComputeResourcesUnavailable, self.admit,
            **{'temporality:mrr': '50'})
        self.assertIn('%s ([temporality] swap_dir) is not there' %
                      self.swap_dir, str(exc))
        self.assertEqual([], self.pool().regions())
        # One that needs none.
        self.admit()
