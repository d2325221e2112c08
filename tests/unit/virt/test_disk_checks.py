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

"""temporality-status upgrade check: storage of servers' disks."""

from unittest import mock

import fixtures
from nova.privsep import utils as nova_privsep_utils

from nova_temporality.host import mounts
from nova_temporality.privsep import owners
from tests.unit.virt import check_base

FINE = check_base.FINE
WARNING = check_base.WARNING
FAILURE = check_base.FAILURE


class DiskTest(check_base.CheckTestCase):

    def test_direct_io(self):
        with mock.patch.object(nova_privsep_utils, 'supports_direct_io',
                               return_value=True) as has_direct_io:
            self.check('direct_io', FINE)
            has_direct_io.return_value = False
            self.check('direct_io', WARNING, 'O_DIRECT')

    def test_cache_modes(self):
        self.check('cache_modes', FINE)
        self.flags(disk_cachemodes=['file=directsync'], group='libvirt')
        self.check('cache_modes', FINE, 'file=directsync')
        self.flags(disk_cachemodes=['file=none', 'network=writeback'],
                   group='libvirt')
        self.check('cache_modes', WARNING, 'disk_cachemodes',
                   'network=writeback')

    def test_no_instances(self):
        self.flags(instances_path='/nonexistent')
        self.check('owners', WARNING, '/nonexistent')

    def test_local_file_system(self):
        self.check('owners', FINE, 'not on NFS')

    def on_nfs(self, problem):
        self.useFixture(fixtures.MockPatchObject(
            mounts, 'of_device',
            return_value=mounts.FileSystem('nfs4', ('rw',))))
        self.useFixture(fixtures.MockPatchObject(owners, 'problem', problem))

    def test_nfs(self):
        self.on_nfs(mock.Mock(return_value=None))
        self.check('owners', FINE, 'nfs4')

    def test_nfs_that_squashes_root(self):
        self.on_nfs(mock.Mock(return_value='Operation not permitted'))
        self.check('owners', FAILURE, 'not permitted', 'no_root_squash')

    def test_nfs_without_privileged_helper(self):
        self.on_nfs(mock.Mock(side_effect=OSError('no sudo')))
        self.check('owners', WARNING, 'no sudo', 'Privileged helper')
