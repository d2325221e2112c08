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

The driver leaves each pVM's priority in the run directory, before its QEMU is
started; it is as volatile as the QEMU.
"""

import os

from nova_temporality.host import paths

EXTRA_SPEC = 'temporality:priority'

MIN = 0
MAX = 100
DEFAULT = 50


class BadPriority(ValueError):
    """An extra spec that is no priority."""


def _parse(text):
    try:
        number = int(text)
    except ValueError:
        return None
    return number if MIN <= number <= MAX else None


def of_flavor(extra_specs):
    """The priority that a flavor's extra specs ask for.

    :raises BadPriority: naming the offending value and what is possible
    """
    if EXTRA_SPEC not in extra_specs:
        return DEFAULT
    number = _parse(extra_specs[EXTRA_SPEC])
    if number is None:
        raise BadPriority(
            "Flavor extra spec '%s' is '%s'; it must be a whole number from "
            "%d (last) to %d (first)" % (EXTRA_SPEC, extra_specs[EXTRA_SPEC],
                                         MIN, MAX))
    return number


def write(run_dir, name, number):
    """Leave a pVM's priority, as a whole or not at all."""
    path = paths.priority_note(run_dir, name)
    # Not in a directory of the pVM's own QEMU, which could change it.
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path + '.new', 'w') as note:
        note.write('%d\n' % number)
    os.rename(path + '.new', path)


def read(run_dir, name):
    """A pVM's priority; DEFAULT if nobody left a sensible one."""
    try:
        with open(paths.priority_note(run_dir, name)) as note:
            number = _parse(note.read())
    except (OSError, UnicodeDecodeError):
        number = None
    return DEFAULT if number is None else number


def remove(run_dir, name):
    """Forget a pVM's priority; harmless when there is none."""
    try:
        os.unlink(paths.priority_note(run_dir, name))
    except FileNotFoundError:
        pass


def waves(priorities):
    """Put pVMs into the order in which they are fixated.

    :param priorities: dict of priority by pVM
    :returns: list of lists of pVMs, those of highest priority first
    """
    by_priority = {}
    for name, number in priorities.items():
        by_priority.setdefault(number, []).append(name)
    return [sorted(by_priority[number])
            for number in sorted(by_priority, reverse=True)]
