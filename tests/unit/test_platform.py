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

"""What the hardware saves, as sysfs tells it."""

import os

import pytest

from nova_temporality.notifier import platform


@pytest.fixture
def sysfs(tmp_path):
    """A sysfs in which the pool's device is a namespace of a region."""
    device = os.stat(tmp_path).st_dev
    namespace = tmp_path / 'sys/devices/ndbus0/region0/namespace0.0/block/p'
    namespace.mkdir(parents=True)
    link = tmp_path / 'sys/dev/block' / ('%d:%d' % (
        os.major(device), os.minor(device)))
    link.parent.mkdir(parents=True)
    link.symlink_to(namespace)
    return tmp_path / 'sys'


def domain(sysfs, value):
    (sysfs / 'devices/ndbus0/region0/persistence_domain').write_text(
        value + '\n')


def test_caches_are_saved(sysfs, tmp_path):
    domain(sysfs, 'cpu_cache')
    assert platform.problem(tmp_path, 'dax', sysfs) is None


def test_caches_are_lost(sysfs, tmp_path):
    domain(sysfs, 'memory_controller')
    assert "'memory_controller'" in platform.problem(tmp_path, 'dax', sysfs)


def test_nobody_says_that_caches_are_saved(sysfs, tmp_path):
    assert 'unknown' in platform.problem(tmp_path, 'dax', sysfs)


def test_emulations_have_no_hardware_to_ask(sysfs, tmp_path):
    domain(sysfs, 'memory_controller')
    for medium in ('tmpfs', 'file'):
        assert platform.problem(tmp_path, medium, sysfs) is None
