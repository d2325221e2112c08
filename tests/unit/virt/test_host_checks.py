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

"""temporality-status upgrade check: the host itself."""

import grp
import os
import pathlib
import pwd
import shutil
from unittest import mock

from nova_temporality.host import nvdimms
from nova_temporality import vpm
from tests.framework import procfs
from tests.framework import sysfs as framework_sysfs
from tests.unit.virt import check_base

FINE = check_base.FINE
WARNING = check_base.WARNING
FAILURE = check_base.FAILURE


class NvdimmTest(check_base.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.sysfs = framework_sysfs.Sysfs(
            pathlib.Path(self.top), self.pool_path)
        self.checks.sysfs = str(self.sysfs.path)

    def test_emulated(self):
        self.check('nvdimms', FINE, 'no NVDIMM')

    def test_sound(self):
        self.sysfs.nvdimm('nmem0', flags='')
        self.check('nvdimms', FINE, 'nmem0')

    def test_not_armed(self):
        self.sysfs.nvdimm('nmem0', flags='')
        self.sysfs.nvdimm('nmem1', flags='not_armed smart_event')
        self.check('nvdimms', FAILURE, 'nmem1', 'not_armed', 'ndctl')

    def test_lost_what_was_in_it(self):
        self.sysfs.nvdimm('nmem0', flags='save_fail')
        self.check('nvdimms', WARNING, 'nmem0', 'could not save', 'ndctl')

    def test_asks_to_be_looked_after(self):
        self.sysfs.nvdimm('nmem0', flags='smart_event')
        self.check('nvdimms', WARNING, 'nmem0: smart_event')

    def test_nobody_can_tell(self):
        with mock.patch.object(nvdimms, 'below',
                               side_effect=OSError(24, 'too many files')):
            self.check('nvdimms', WARNING, 'too many files')

    def test_aligned(self):
        self.check('alignment', FINE)
        self.sysfs.alignment(2 << 20)
        self.sysfs.partition(4096)
        self.check('alignment', FINE)

    def test_region_s_alignment_is_hexadecimal(self):
        (self.sysfs.path / 'devices/ndbus0/region0/align').write_text(
            '0x1000000\n', encoding='ascii')
        self.check('alignment', FINE)

    def test_namespace_of_small_alignment(self):
        self.sysfs.alignment(4096)
        self.check('alignment', WARNING, '4096', '--align 2M')

    def test_partition_that_begins_anywhere(self):
        self.sysfs.partition(2048)
        self.check('alignment', WARNING, '1048576', 'whole device')


class UidTest(check_base.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.pool(vpm.DEFAULT_UID_BASE)

    def pool(self, uid_base):
        shutil.rmtree(self.pool_path)
        vpm.Pool.create(self.pool_path, total_size=1 << 20, state_size=8192,
                        descriptors=8, uid_base=uid_base).close()

    def test_free(self):
        self.check('uids', FINE, '%d to' % vpm.DEFAULT_UID_BASE)

    def test_taken(self):
        def getpwuid(uid):
            if uid != vpm.DEFAULT_UID_BASE + 1:
                raise KeyError()
            return mock.Mock(pw_name='eve')

        with mock.patch.object(pwd, 'getpwuid', getpwuid):
            self.check('uids', FAILURE, 'eve',
                       str(vpm.DEFAULT_UID_BASE + 1), '--uid-base')

    def test_all_of_one_user(self):
        self.pool(0)
        self.check('uids', WARNING, 'uid_base', 'each QEMU')

    def test_no_pool(self):
        self.override('pool_path', '/nonexistent')
        self.check('uids', WARNING, 'NVRAM pool')


class PagingTest(check_base.CheckTestCase):

    def setUp(self):
        super().setUp()
        proc = procfs.Procfs(pathlib.Path(self.top))
        self.sysctl = proc.sysctl
        self.checks.procfs = str(proc.path)
        self.checks.devices = self.top
        self.override('swap_dir', self.top)
        self.override('qemu_group', grp.getgrgid(os.getgid()).gr_name)

    def device(self, mode):
        path = pathlib.Path(self.top, 'userfaultfd')
        path.touch()
        os.chown(path, -1, os.getgid())
        path.chmod(mode)

    def test_no_paged_servers(self):
        self.override('swap_dir', '/nonexistent')
        self.check('mappings', FINE, 'swap_dir', '/nonexistent')
        self.check('userfaultfd', FINE, 'swap_dir', '/nonexistent')

    def test_enough_mappings(self):
        self.sysctl('vm.max_map_count', 65530)
        self.check('mappings', FINE, '65530')

    def test_enough_mappings_with_small_pages(self):
        with vpm.Pool(self.pool_path) as pool:
            pages = pool.info().total_size // 4096
        self.override('vpm_page_size_kb', 4)
        self.sysctl('vm.max_map_count', pages)
        self.check('mappings', WARNING, 'vm.max_map_count = %d' % pages,
                   'set the sysctl to %d' % (4 * pages + 4),
                   'vpm_page_size_kb')
        self.sysctl('vm.max_map_count', 4 * pages + 4)
        self.check('mappings', FINE)

    def test_mappings_of_no_pool(self):
        self.override('pool_path', '/nonexistent')
        self.check('mappings', WARNING, 'NVRAM pool')

    def test_no_device(self):
        self.check('userfaultfd', WARNING, 'userfaultfd', 'Linux 6.1')

    def test_device_for_the_group(self):
        self.device(0o660)
        self.check('userfaultfd', FINE, 'group')

    def test_device_of_another_group(self):
        self.device(0o660)
        self.override('qemu_group', 'others')
        self.check('userfaultfd', WARNING, '0660', 'chgrp others')

    def test_device_for_root_alone(self):
        self.device(0o600)
        self.check('userfaultfd', WARNING, '0600', 'udev')

    def test_device_for_everybody(self):
        self.device(0o666)
        self.override('qemu_group', 'others')
        self.check('userfaultfd', FINE, 'everybody')

    def test_system_call_for_everybody(self):
        self.sysctl('vm.unprivileged_userfaultfd', 1)
        self.check('userfaultfd', FINE, 'vm.unprivileged_userfaultfd = 1')
        self.sysctl('vm.unprivileged_userfaultfd', 0)
        self.check('userfaultfd', WARNING)
