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

"""What saves the CPU caches: hardware, as sysfs says, or the driver."""

import dataclasses
import errno
import os
import shutil

import pytest

from nova_temporality.host import dram
from nova_temporality.notifier import persistence_domain
from nova_temporality.notifier.sources import pod_device
from tests.framework import pod_stand_in
from tests.framework import pools


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


def about(path, medium='dax', problem=None):
    """What is said of a pool on this medium."""
    with pools.create(path) as pool:
        info = pool.info()
    shutil.rmtree(path)
    return dataclasses.replace(info, medium=medium, medium_problem=problem)


@pytest.fixture
def examine(sysfs, tmp_path, monkeypatch):
    """Make a Platform; its POD driver is a stand-in, if there is one."""
    driver = pod_stand_in.StandIn(tmp_path)
    monkeypatch.setattr(pod_device.fcntl, 'ioctl', driver.ioctl)

    def examine(loaded=None, medium='dax', problem=None, **info):
        driver.info = driver.info._replace(**info)
        examine.driver = driver
        examine.found = []
        return persistence_domain.Platform(
            tmp_path, about(tmp_path / 'probe', medium, problem),
            examine.found.append, sysfs,
            driver.path if loaded else str(tmp_path / 'none'))
    yield examine
    driver.close()


def test_caches_are_saved(sysfs, examine):
    domain(sysfs, 'cpu_cache')
    host = examine()
    assert host.protection() == (persistence_domain.HARDWARE, None)
    assert host.describe() == {
        'caches': 'hardware',
        'detail': 'eADR/GPF: caches are saved by hardware'}


def test_driver_is_left_alone_where_hardware_saves(sysfs, examine):
    domain(sysfs, 'cpu_cache')
    host = examine('loaded')
    assert host.problem() is None
    assert (examine.driver.told(), examine.found) == ([], [])


def test_caches_are_lost(sysfs, examine):
    domain(sysfs, 'memory_controller')
    host = examine()
    keeper, problem = host.protection()
    assert keeper == persistence_domain.NOBODY
    assert "'memory_controller'" in problem
    assert 'modprobe pod' in problem
    assert host.describe() == {'caches': 'nobody',
                               'detail': 'not protected: ' + problem}
    assert 'modprobe pod' in host.remedy


def test_driver_writes_caches_back(sysfs, examine):
    domain(sysfs, 'memory_controller')
    host = examine('loaded')
    assert host.protection() == (persistence_domain.DRIVER, None)
    assert host.describe()['detail'].startswith('ADR + /dev/pod: ')
    # It was tried once, to know that it may be done.
    assert host.problem() is None
    assert examine.driver.told() == [('write back',)]
    descriptor, = examine.found
    assert os.readlink('/proc/self/fd/%d' % descriptor).endswith('/pod')


def test_driver_that_is_loaded_later(sysfs, examine, tmp_path):
    domain(sysfs, 'memory_controller')
    host = examine()
    assert host.problem()
    (tmp_path / 'none').symlink_to(tmp_path / 'pod')
    assert host.protection() == (persistence_domain.DRIVER, None)


def test_driver_refuses(sysfs, examine):
    domain(sysfs, 'memory_controller')
    host = examine('loaded')
    examine.driver.errors['write back'] = errno.EPERM
    assert 'Operation not permitted' in host.problem()
    assert examine.found == []


def test_driver_in_a_virtual_machine(sysfs, examine):
    domain(sysfs, 'memory_controller')
    assert 'virtual machine' in examine('loaded', features=0).problem()


@pytest.mark.parametrize('loaded', [None, 'loaded'])
def test_nobody_says_that_caches_are_saved(examine, loaded):
    assert 'unknown' in examine(loaded).problem()


def test_driver_does_not_help_without_adr(sysfs, examine):
    domain(sysfs, 'unknown')
    assert "'unknown'" in examine('loaded').problem()


@pytest.mark.parametrize('medium, keeper, word', [
    ('tmpfs', persistence_domain.EMULATED, 'emulated'),
    ('file', persistence_domain.DISK, 'written to its disk')])
def test_emulations_have_no_hardware_to_ask(sysfs, examine, medium, keeper,
                                            word):
    domain(sysfs, 'memory_controller')
    host = examine(medium=medium)
    assert host.protection() == (keeper, None)
    assert word in host.describe()['detail']


def test_vault(tmp_path):
    info = dataclasses.replace(about(tmp_path / 'probe', 'tmpfs'),
                               vault='/vault')
    host = persistence_domain.Platform(str(tmp_path), info, None)
    assert host.protection() == (persistence_domain.VAULT, None)
    assert 'planned reboot' in host.describe()['detail']
    assert 'emulated' not in host.describe()['detail']


@pytest.mark.parametrize('medium', ['dax', 'tmpfs', 'file'])
def test_medium_that_the_pool_was_not_made_on(sysfs, examine, medium):
    domain(sysfs, 'cpu_cache')
    host = examine(medium=medium, problem='mounted without DAX')
    assert host.problem() == 'mounted without DAX'
    assert host.describe() == {
        'caches': 'nobody', 'detail': 'not protected: mounted without DAX'}
    assert 'dax=always' in host.remedy


def test_nvdimms(sysfs, examine):
    domain(sysfs, 'cpu_cache')
    nmem = sysfs / 'devices/ndbus0/nmem0/nfit'
    nmem.mkdir(parents=True)
    (sysfs / 'devices/ndbus0/region0/mapping0').write_text('nmem0,0,1,0\n')
    host = examine()
    assert host.nvdimms[0].is_armed
    (nmem / 'flags').write_text('not_armed \n')
    assert host.nvdimms[0].is_armed
    host.look()
    assert not host.nvdimms[0].is_armed
    assert examine(medium='tmpfs').nvdimms == []


def test_nvdimms_of_a_pool_that_is_gone(sysfs, examine, tmp_path):
    """The pool's own errors tell of that."""
    domain(sysfs, 'cpu_cache')
    pool = tmp_path / 'pool'
    pool.mkdir()
    host = persistence_domain.Platform(
        str(pool), about(tmp_path / 'probe'), print, str(sysfs))
    pool.rmdir()
    host.look()
    assert host.nvdimms == []


def test_dram_that_is_set_aside(sysfs, examine, monkeypatch):
    monkeypatch.setattr(dram, 'holds', lambda *args: True)
    host = examine()
    assert host.protection() == (persistence_domain.DRAM, None)
    assert 'a planned reboot' in host.describe()['detail']


def test_dram_counts_on_dax_only(sysfs, examine, monkeypatch):
    monkeypatch.setattr(dram, 'holds', lambda *args: True)
    assert examine(medium='file').protection()[0] == persistence_domain.DISK
