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

"""How many requests a pVM's virtio disks may have in flight.

A pVM stands still when the last of them has ended. So there is a bound: a few,
unless its flavor asks for more with ``temporality:disk_queue_size`` and
``temporality:disk_queues``.
"""

from __future__ import annotations

from collections import abc
import dataclasses

from nova_temporality.spec import errors
from nova_temporality.spec import numbers

SIZE_EXTRA_SPEC = 'temporality:disk_queue_size'
COUNT_EXTRA_SPEC = 'temporality:disk_queues'

# What QEMU takes; it is a power of two.
MIN_SIZE = 16
MAX_SIZE = 1024
MAX_COUNT = 64


@dataclasses.dataclass(frozen=True)
class DiskQueues:
    """Queues of each virtio disk.

    :ivar size: requests in flight in one of them
    :ivar count: how many there are
    """

    size: int = 16
    count: int = 1


DEFAULT = DiskQueues()


def of_flavor(extra_specs: abc.Mapping[str, str]) -> DiskQueues:
    """The queues that a flavor asks for.

    :param extra_specs: of the flavor
    :raises InvalidSpec: naming the value and what is possible
    """
    size, count = DEFAULT.size, DEFAULT.count
    if SIZE_EXTRA_SPEC in extra_specs:
        expected = 'a power of two from %d to %d' % (MIN_SIZE, MAX_SIZE)
        size = numbers.read(extra_specs, SIZE_EXTRA_SPEC, expected, MIN_SIZE,
                            MAX_SIZE)
        if size & (size - 1):
            raise errors.InvalidSpec(
                "Flavor extra spec '%s' is '%d'; it must be %s" %
                (SIZE_EXTRA_SPEC, size, expected))
    if COUNT_EXTRA_SPEC in extra_specs:
        count = numbers.read(
            extra_specs, COUNT_EXTRA_SPEC,
            'a whole number from 1 to %d' % MAX_COUNT, 1, MAX_COUNT)
    return DiskQueues(size, count)
