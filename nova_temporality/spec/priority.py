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

"""Which pVMs are fixated first: ``temporality:priority`` of their flavors.

pVMs of the highest priority go first, equals in parallel. So when energy or
time run out, what comes later is lost and not what matters most.
"""

from collections import abc

from nova_temporality.spec import numbers

EXTRA_SPEC = 'temporality:priority'

MIN = 0
MAX = 100
DEFAULT = 50


def parse(text: str) -> int | None:
    """Return the priority that a text is; None if it is none."""
    return numbers.parse(text, MIN, MAX)


def of_flavor(extra_specs: abc.Mapping[str, str]) -> int:
    """The priority that a flavor asks for.

    :param extra_specs: of the flavor
    :raises InvalidSpec: naming the value and what is possible
    """
    if EXTRA_SPEC not in extra_specs:
        return DEFAULT
    return numbers.read(
        extra_specs, EXTRA_SPEC,
        'a whole number from %d (last) to %d (first)' % (MIN, MAX), MIN, MAX)


def waves(priorities: abc.Mapping[str, int]) -> list[list[str]]:
    """Put pVMs into the order in which they are fixated.

    :param priorities: priority by pVM
    :returns: pVMs that go together, those of highest priority first
    """
    by_priority: dict[int, list[str]] = {}
    for name, number in priorities.items():
        by_priority.setdefault(number, []).append(name)
    return [sorted(by_priority[number])
            for number in sorted(by_priority, reverse=True)]
