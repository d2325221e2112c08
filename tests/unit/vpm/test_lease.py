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

"""Never two QEMUs on one memory."""

import fcntl
import os
import signal

import pytest

from nova_temporality.vpm import lease
from tests.framework import pools


@pytest.fixture
def region(tmp_path):
    with pools.create(tmp_path / 'pool') as pool:
        yield pool.alloc('pvm', 4096)


def test_nobody(region):
    lease.refuse_if_in_use(region)
    # Nor are we in our own way.
    lease.refuse_if_in_use(region)


def test_somebody_who_writes(region):
    with open(region.ram_path, 'r+b'):
        with pytest.raises(lease.RegionInUse) as caught:
            lease.refuse_if_in_use(region)
    assert 'pvm' in str(caught.value)
    assert region.ram_path in caught.value.format_message()
    lease.refuse_if_in_use(region)


def test_somebody_who_reads(region):
    with open(region.ram_path, 'rb'):
        lease.refuse_if_in_use(region)


@pytest.mark.parametrize('name', ['ram', 'virtual', 'ppt', 'swap'])
def test_somebody_who_writes_any_file(tmp_path, name):
    (tmp_path / 'swap').mkdir()
    with pools.create(tmp_path / 'pool') as pool:
        region = pool.alloc_vpm('pvm', 1 << 20, 512 << 10,
                                str(tmp_path / 'swap'))
    lease.refuse_if_in_use(region)
    with open(os.path.join(region.directory, name), 'r+b'):
        with pytest.raises(lease.RegionInUse):
            lease.refuse_if_in_use(region)
    lease.refuse_if_in_use(region)


# The kernel would have us wait for 45 seconds.
@pytest.mark.timeout(20)
def test_somebody_with_a_lease_is_not_waited_for(region):
    with open(region.ram_path, 'r+b') as held:
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        with pytest.raises(lease.RegionInUse):
            lease.refuse_if_in_use(region)
