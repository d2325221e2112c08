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

"""temporality-status upgrade check: what libvirt makes of QEMU."""

import os
import pathlib
import shutil
import tempfile

import libvirt

from tests.unit.virt import check_base

FINE = check_base.FINE
WARNING = check_base.WARNING
FAILURE = check_base.FAILURE


class GroupTest(check_base.CheckTestCase):

    def test_exists(self):
        self.check('qemu_group', FINE)

    def test_does_not_exist(self):
        self.override('qemu_group', 'no-such-group')
        self.check('qemu_group', FAILURE, 'no-such-group', 'qemu_group')

    def test_that_of_libvirt(self):
        self.override('qemu_group', 'root')
        self.has_security(dac='+64055:+0')
        self.check('qemu_group', FINE, 'root, 0')

    def test_another_one_than_libvirt_s(self):
        self.override('qemu_group', 'root')
        self.has_security(dac='+64055:+994')
        self.check('qemu_group', WARNING, '994', 'root', 'qemu_group')

    def test_no_libvirt(self):
        libvirt.openReadOnly.side_effect = libvirt.libvirtError('down')
        self.check('qemu_group', WARNING, 'down')


class VersionTest(check_base.CheckTestCase):

    def test_tested(self):
        self.check('versions', FINE, '11.3.0', '10.0.2')
        self.assertTrue(self.connection.close.called)

    def test_older(self):
        self.connection.getLibVersion.return_value = 11002009
        self.check('versions', FAILURE, 'libvirt is 11.2.9', '11.3.0')
        self.connection.getLibVersion.return_value = 12000000
        self.connection.getVersion.return_value = 8002002
        self.check('versions', FAILURE, 'QEMU is 8.2.2', '10.0.2')

    def test_no_libvirt(self):
        libvirt.openReadOnly.side_effect = libvirt.libvirtError('down')
        self.check('versions', FAILURE, 'qemu:///system', 'down')


class ConfinementTest(check_base.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.checks.etc = self.checks.sysfs = self.checks.modules = self.top

    def write(self, name, text):
        path = pathlib.Path(self.top, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='ascii')

    def test_none(self):
        self.has_security(dac='+0:+0', none='')
        self.check('confinement', FINE, 'neither')

    def test_no_libvirt(self):
        libvirt.openReadOnly.side_effect = libvirt.libvirtError('down')
        self.check('confinement', WARNING, 'down')

    def test_apparmor(self):
        self.has_security(apparmor='', dac='+0:+0')
        self.check('confinement', FAILURE, 'AppArmor', self.top)
        profile = 'apparmor.d/abstractions/libvirt-qemu.d/temporality'
        self.write(profile, 'owner /elsewhere/regions/*/ram rw,')
        self.check('confinement', FAILURE, self.pool_path, 'adapt')
        self.override('run_dir', '/run/temporality')
        self.write(profile, 'owner %s/regions/*/ram rw,\n'
                   'owner /run/temporality/qmp/*/fixate.sock rw,' %
                   self.pool_path)
        self.check('confinement', FINE, profile)

    def test_selinux(self):
        self.has_security(selinux='system_u:system_r:svirt_t:s0')
        self.check('confinement', WARNING, 'semodule', 'permissive')
        self.write('fs/selinux/enforce', '1')
        result = self.checks.check_confinement()
        self.assertNotIn('permissive', result.details)
        self.write('targeted/active/modules/400/temporality/cil', '')
        self.check('confinement', FINE, 'temporality')


class PreloadTest(check_base.CheckTestCase):

    def preload(self, mode, directory_mode=0o755):
        directory = tempfile.mkdtemp(dir='/tmp')
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, directory_mode)
        path = os.path.join(directory, 'library.so')
        with open(path, 'w', encoding='ascii'):
            os.chmod(path, mode)
        self.override('preload_path', path)
        return path

    def test_readable(self):
        self.preload(0o644)
        self.check('preload', FINE)

    def test_not_there(self):
        self.override('preload_path', '/nonexistent')
        self.check('preload', FAILURE, '/nonexistent', 'preload_path')

    def test_others_cannot_read_it(self):
        self.check('preload', FAILURE, self.preload(0o600), 'chmod')

    def test_its_group_can_read_it(self):
        """It is that of the QEMUs here."""
        self.preload(0o640, 0o710)
        self.check('preload', FINE)
        self.override('qemu_group', 'nogroup')
        self.check('preload', FAILURE, 'chmod')

    def test_all_but_its_group_can_read_it(self):
        self.check('preload', FAILURE, self.preload(0o604), 'chmod')

    def test_in_a_private_directory(self):
        path = self.preload(0o644, 0o700)
        self.check('preload', FAILURE, os.path.dirname(path), 'preload_path')
