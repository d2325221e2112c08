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

import os

import pytest

from nova_temporality.host import dram
from nova_temporality.host import memory_sums
from nova_temporality.host import nvdimm_notes
from nova_temporality.host import paths
from nova_temporality.notifier import reboot
from nova_temporality import vpm
from tests.framework import pools


@pytest.fixture(params=['resident', 'paged'])
def host(request, tmp_path, monkeypatch):
    """A pool in DRAM, with a proven state; on a host that can be booted."""
    return Host(tmp_path, monkeypatch, request.param == 'paged')


class Host:
    def __init__(self, tmp_path, monkeypatch, is_paged):
        self._boots = 1
        monkeypatch.setattr(dram, 'holds', lambda *args: True)
        monkeypatch.setattr(nvdimm_notes, 'boot_id',
                            lambda: 'boot %d' % self._boots)
        self.pool = pools.create(tmp_path / 'pool')
        (tmp_path / 'swap').mkdir()
        self.region = (
            self.pool.alloc_vpm('pvm', 1 << 20, 512 << 10, tmp_path / 'swap',
                                page_size=4096)
            if is_paged else self.pool.alloc('pvm', 16384))
        self.arm()
        pools.fixate(self.pool, self.region.id)

    def arm(self):
        epoch = self.pool.lookup('pvm').epoch
        nvdimm_notes.take(self.pool.path, self.region, epoch, [],
                          is_dram=True)

    def boot(self):
        self._boots += 1

    def touch(self):
        """What firmware may do."""
        with open(self.region.ram_path, 'r+b') as memory:
            memory.seek(4096)
            memory.write(b'x')

    def why_unproven(self):
        """Why the state is not believed; None if it is."""
        try:
            nvdimm_notes.proven_state(self.pool, self.region)
        except vpm.Unproven as e:
            return str(e)
        return None


def test_planned_reboot(host):
    assert reboot.make_ready(host.pool) == {}
    host.boot()
    assert host.why_unproven() is None


def test_reboot_that_was_not_planned(host):
    host.boot()
    assert 'was not rebooted by' in host.why_unproven()


def test_without_a_reboot_nothing_is_needed(host):
    assert host.why_unproven() is None


def test_memory_that_firmware_has_used(host):
    reboot.make_ready(host.pool)
    host.boot()
    host.touch()
    assert 'not what it was' in host.why_unproven()
    assert 'not what it was' in host.why_unproven()


def test_what_is_damaged_is_not_made_good_by_another_reboot(host):
    reboot.make_ready(host.pool)
    host.boot()
    host.touch()
    assert reboot.make_ready(host.pool) == {}
    host.boot()
    assert 'not what it was' in host.why_unproven()


def test_memory_is_read_once_after_each_boot(host, monkeypatch):
    reboot.make_ready(host.pool)
    host.boot()
    assert host.why_unproven() is None
    monkeypatch.setattr(memory_sums, '_sum', None)
    assert host.why_unproven() is None


def test_server_that_is_dark_over_two_reboots(host):
    for _ in range(2):
        reboot.make_ready(host.pool)
        host.boot()
        assert host.why_unproven() is None
    host.touch()
    host.boot()
    assert 'not what it was' in host.why_unproven()


def test_sum_of_another_epoch_does_not_count(host):
    reboot.make_ready(host.pool)
    host.pool.begin_epoch(host.region.id)
    pools.fixate(host.pool, host.region.id)
    host.boot()
    assert 'was not rebooted by' in host.why_unproven()


def test_sum_that_cannot_be_noted(host):
    with open(paths.memory_sum(host.pool.path, 'x')[:-2], 'w'):
        pass
    assert 'could not be noted' in reboot.make_ready(host.pool)['pvm']


def test_file_that_has_grown_is_not_read(host):
    reboot.make_ready(host.pool)
    os.truncate(host.region.ram_path, 1 << 40)
    assert 'File too large' in memory_sums.damage(
        host.pool.path, host.region, host.pool.lookup('pvm').epoch,
        'another boot')


def test_server_that_was_freed(host):
    reboot.make_ready(host.pool)
    nvdimm_notes.forget(host.pool.path, 'pvm')
    host.boot()
    assert 'was not rebooted by' in host.why_unproven()


def test_server_that_runs_is_left_alone(host):
    host.pool.begin_epoch(host.region.id)
    assert reboot.make_ready(host.pool) == {}
