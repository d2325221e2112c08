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
"""How much NVRAM a pVM gets: all of its memory, or a part of it.

A server with less NVRAM than memory is *paged*: cold pages go to a durable
swap file (virtual persistent memory, VPM, in Temporality, SRDS 2015,
section 4).
"""

from collections import abc

from nova_temporality.spec import errors
from nova_temporality.spec import numbers

MRR_EXTRA_SPEC = 'temporality:mrr'
NVRAM_EXTRA_SPEC = 'temporality:nvram_mb'

MRR_MIN = 10
MRR_MAX = 100


def nvram_mb(memory_mb: int, extra_specs: abc.Mapping[str, str]) -> int:
    """The MiB of NVRAM for a pVM; less than its memory if it is paged.

    :param memory_mb: the flavor's memory, MiB
    :param extra_specs: of the flavor
    :raises InvalidSpec: naming the value and what is possible
    """
    if MRR_EXTRA_SPEC in extra_specs and NVRAM_EXTRA_SPEC in extra_specs:
        raise errors.InvalidSpec(
            "Flavor extra specs '%s' and '%s' exclude each other; remove one "
            'of them' % (MRR_EXTRA_SPEC, NVRAM_EXTRA_SPEC))
    if MRR_EXTRA_SPEC in extra_specs:
        mrr = _read(extra_specs, MRR_EXTRA_SPEC, MRR_MIN, MRR_MAX,
                    'percent of the memory')
        return max(1, memory_mb * mrr // 100)
    if NVRAM_EXTRA_SPEC in extra_specs:
        least = max(1, -(-memory_mb * MRR_MIN // 100))
        return _read(extra_specs, NVRAM_EXTRA_SPEC, least, memory_mb,
                     'MiB, at least %d %% of the memory' % MRR_MIN)
    return memory_mb


def _read(extra_specs: abc.Mapping[str, str], key: str, low: int, high: int,
          unit: str) -> int:
    return numbers.read(
        extra_specs, key,
        'a whole number from %d to %d (%s)' % (low, high, unit), low, high)
