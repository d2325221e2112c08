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

"""NVRAM that is ordinary DRAM, set aside by the kernel parameter memmap=.

With ``memmap=64G!4G`` on its command line the kernel makes a pmem device of 64
GiB of DRAM from 4 GiB on (Documentation/admin-guide/kernel-parameters). What
is in there survives a reboot or kexec, but no power cut.
"""

import pathlib
import re

from nova_temporality.host import nvdimms
from nova_temporality.host import reading

COMMAND_LINE = '/proc/cmdline'

# sysfs calls the bus of such devices so.
_PROVIDER = 'e820'

_UNITS = {'': 0, 'K': 10, 'M': 20, 'G': 30, 'T': 40, 'P': 50, 'E': 60}
_SIZE = '(0x[0-9a-fA-F]+|[0-9]+)([kKmMgGtTpPeE]?)'


def holds(pool_path: str, sysfs: str = nvdimms.SYSFS,
          command_line: str = COMMAND_LINE) -> bool:
    """Whether a pool lies in such DRAM.

    :param sysfs: where sysfs is mounted
    :param command_line: file with that of the kernel
    """
    region = nvdimms.directory(pool_path, 'mappings', sysfs)
    if region is None or (
            reading.attribute(region.parent / 'provider') != _PROVIDER):
        # Of a BIOS it may be a real NVDIMM; then nobody set it aside.
        return False
    start = int(reading.attribute(region / 'resource') or '-1', 0)
    return any(first <= start < first + size for size, first in
               _set_aside(reading.attribute(pathlib.Path(command_line)) or ''))


def _set_aside(text: str) -> list[tuple[int, int]]:
    """Sizes and addresses of what a command line sets aside."""
    found = []
    for word in text.split():
        name, _, value = word.partition('=')
        if name == 'memmap':
            found += [(_number(*match[:2]), _number(*match[2:])) for match in
                      re.findall(r'(?:^|,)%s!%s(?=,|$)' % (_SIZE, _SIZE),
                                 value)]
    return found


def _number(digits: str, unit: str) -> int:
    return int(digits, 16 if digits.startswith('0x') else 10) << (
        _UNITS[unit.upper()])
