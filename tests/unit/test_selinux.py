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

"""The SELinux module compiles, against a stand-in for the distribution's."""

import pathlib
import re
import shutil
import subprocess

import pytest

from nova_temporality.conf import opts
from nova_temporality.host import paths

MODULE = pathlib.Path(__file__).parents[2] / 'etc/selinux/temporality.cil'

# What the module takes from the policies of Red Hat and Fedora.
BASE = """\
(handleunknown allow)
(class process (noatsecure))
(class filesystem (associate))
(class file (open getattr ioctl lock map read write))
(class dir (add_name getattr open read remove_name search write))
(class sock_file (create getattr setattr unlink write))
(class chr_file (open getattr ioctl read write))
(class anon_inode (create getattr ioctl read))
(classorder (process filesystem file dir sock_file chr_file anon_inode))
(sid kernel)
(sidorder (kernel))
(user system_u)
(role object_r)
(role system_r)
(category c0)
(categoryorder (c0))
(sensitivity s0)
(sensitivityorder (s0))
(sensitivitycategory s0 (c0))
(userrole system_u object_r)
(userrole system_u system_r)
(userlevel system_u (s0))
(userrange system_u ((s0) (s0 (c0))))
(typeattribute file_type)
(typeattribute device_node)
(typeattribute virt_domain)
(type svirt_t)
(type virtd_t)
(type fs_t)
(type tmpfs_t)
(type device_t)
(roletype system_r svirt_t)
(typeattributeset virt_domain (svirt_t))
(sidcontext kernel (system_u system_r svirt_t ((s0) (s0))))
"""

pytestmark = pytest.mark.skipif(not shutil.which('secilc'),
                                reason='no secilc')


def compiled(directory, module):
    """Compile it; return what the compiler says, and the labels of files."""
    for name, text in (('base.cil', BASE), ('temporality.cil', module)):
        (directory / name).write_text(text, encoding='ascii')
    done = subprocess.run(
        ['secilc', '-o', 'policy', '-f', 'labels', 'base.cil',
         'temporality.cil'], cwd=directory, capture_output=True, text=True,
        timeout=60)
    labels = directory / 'labels'
    return done.stdout + done.stderr, (
        labels.read_text(encoding='ascii') if done.returncode == 0 else None)


def test_labels_of_the_default_paths(tmp_path):
    said, labels = compiled(tmp_path, MODULE.read_text(encoding='ascii'))
    assert labels is not None, said
    rules = [(re.compile(line.split()[0]), line.split(':')[2])
             for line in labels.splitlines() if line]
    default = {option.name: option.default
               for _group, options in opts.list_opts() for option in options}
    for path, kind in (
            (default['pool_path'] + '/regions/pvm/ram', 'memory'),
            (default['swap_dir'] + '/pvm', 'memory'),
            (paths.watch_socket(default['run_dir'], 'pvm'), 'run'),
            ('/dev/userfaultfd', 'userfaultfd')):
        found = [label for pattern, label in rules if pattern.fullmatch(path)]
        assert found == ['temporality_%s_t' % kind], path


def test_a_misspelt_permission_is_refused(tmp_path):
    """So the test above says something."""
    said, labels = compiled(tmp_path, MODULE.read_text(
        encoding='ascii').replace('noatsecure', 'noatsecur').replace(
            'sock_file (create', 'sock_file (creat'))
    assert labels is None and 'creat' in said
