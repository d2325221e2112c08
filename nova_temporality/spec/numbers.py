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
"""Extra specs that are whole numbers."""

from collections import abc

from nova_temporality.spec import errors


def parse(value: object, low: int, high: int | None = None) -> int | None:
    """Return the whole number that a value stands for.

    :param low: the least that is accepted
    :param high: the most that is accepted; None for no limit
    :returns: None if it is no such number
    """
    try:
        number = int(str(value))
    except ValueError:
        return None
    if number < low or (high is not None and number > high):
        return None
    return number


def read(extra_specs: abc.Mapping[str, str], key: str, expected: str,
         low: int, high: int | None = None) -> int:
    """Return the whole number of an extra spec that a flavor has.

    :param expected: what is possible, in words
    :raises InvalidSpec: naming the key, the value and what is possible
    """
    number = parse(extra_specs[key], low, high)
    if number is None:
        raise errors.InvalidSpec("Flavor extra spec '%s' is '%s'; it must be "
                                 '%s' % (key, extra_specs[key], expected))
    return number
