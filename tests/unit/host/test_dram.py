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

import pytest

from nova_temporality.host import dram
from tests.framework import sysfs as framework_sysfs

GIB = 1 << 30


@pytest.fixture
def holds(tmp_path):
    """Whether it is DRAM, on a host of that command line."""
    sysfs = framework_sysfs.Sysfs(tmp_path, tmp_path)
    sysfs.bus('e820', 4 * GIB)

    def holds(command_line, sysfs=sysfs):
        path = tmp_path / 'cmdline'
        path.write_text(command_line + '\n')
        return dram.holds(tmp_path, str(sysfs.path), str(path))
    holds.sysfs = sysfs
    return holds


@pytest.mark.parametrize('command_line', [
    'root=/dev/vda memmap=2G!4G quiet',
    'memmap=2048M!0x100000000',
    'memmap=1G!1G,2g!4g',
    'memmap=1G!1G memmap=2G!3G',
])
def test_dram_that_is_set_aside(holds, command_line):
    assert holds(command_line)


@pytest.mark.parametrize('command_line', [
    '',
    'memmap=2G!8G',
    'memmap=2G!2G',
    # It is hidden, or made reserved.
    'memmap=2G$4G',
    'memmap=2G@4G',
    'memmap=2G!4Q',
    'mymemmap=2G!4G',
])
def test_real_nvdimm_that_a_bios_calls_so(holds, command_line):
    assert not holds(command_line)


def test_nvdimm_of_acpi(holds):
    holds.sysfs.bus('ACPI.NFIT', 4 * GIB)
    assert not holds('memmap=2G!4G')


def test_no_device(tmp_path):
    assert not dram.holds(tmp_path, str(tmp_path / 'none'))
