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

"""What cannot be read without descriptors is not taken for absent."""

import os
import types

import pytest

from nova_temporality.host import device_identity
from nova_temporality.host import disk_notes
from nova_temporality.host import dram
from nova_temporality.host import nvdimm_notes
from nova_temporality.host import nvdimms
from nova_temporality import vpm
from tests.framework import descriptors
from tests.framework import pools
from tests.framework import sysfs as framework_sysfs


@pytest.fixture
def sysfs(tmp_path):
    made = framework_sysfs.Sysfs(tmp_path, tmp_path)
    made.nvdimm('nmem0', id='a', flags='not_armed save_fail')
    made.bus('e820', 1 << 32)
    return str(made.path)


@pytest.fixture
def pool(tmp_path):
    with pools.create(str(tmp_path / 'pool')) as made:
        yield made


@pytest.fixture
def region(pool):
    """A region with a proven state."""
    made = pool.alloc('pvm', 4096)
    pools.fixate(pool, made.id)
    return made


def cannot_tell(function, *args):
    with descriptors.none_left(), pytest.raises(OSError, match='open files'):
        function(*args)


def test_flags_of_nvdimms(tmp_path, sysfs):
    cannot_tell(nvdimms.below, str(tmp_path), sysfs)


def test_provider_of_dram(tmp_path, sysfs):
    cannot_tell(dram.holds, str(tmp_path), sysfs)


def test_name_of_a_device():
    cannot_tell(device_identity.of, os.makedev(8, 0))


def test_note_of_disks(pool, region):
    epoch = pool.lookup('pvm').epoch
    disk_notes.take(pool.path, region, epoch, [], {
        'vda': disk_notes.Disk(4096, content='a')})
    cannot_tell(disk_notes.noted_remote, pool.path, region, epoch)


def test_proof_of_a_state(pool, region, sysfs):
    """It is neither proven then nor given up."""
    known = types.SimpleNamespace(
        path=pool.path, verify_state=lambda _id, state=pool.verify_state(
            region.id): state)
    with descriptors.none_left(), pytest.raises(
            vpm.SystemCallFailed, match='nobody can tell'):
        nvdimm_notes.proven_state(known, region, sysfs)
