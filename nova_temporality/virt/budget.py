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

"""The energy budget and priorities, as nova-compute sees to them."""

import dataclasses

from nova import exception as nova_exception

from nova_temporality import exception
from nova_temporality.privsep import regions
from nova_temporality.spec import priority

# Stands for a server that is not there yet.
_NEXT = ''


def check_priority(flavor):
    """Refuse a priority that cannot be understood.

    :raises NotPossible: naming the value and what is possible
    """
    try:
        priority.of_flavor(flavor.extra_specs)
    except priority.BadPriority as exc:
        raise exception.NotPossible(reason=str(exc))


def priority_of(flavor):
    """A server's priority; one that was not checked stops nothing."""
    try:
        return priority.of_flavor(flavor.extra_specs)
    except priority.BadPriority:
        return priority.DEFAULT


def check_room(instance, flavor, pool_path, run_dir, hold_up_ms):
    """Refuse a new pVM that does not fit into the energy budget.

    One that has a region already counts already.

    :param flavor: that it has, or will have
    :raises nova.exception.ComputeResourcesUnavailable: with the numbers and
        the remedies; Nova tries another host
    """
    known, prediction = regions.predict(pool_path, run_dir, instance.uuid,
                                        priority_of(flavor))
    if known or prediction.total_ms <= hold_up_ms:
        return
    # Nova keeps 255 characters of a fault.
    raise nova_exception.ComputeResourcesUnavailable(
        reason='Fixating %(pvms)d persistent servers would take '
        '%(total_ms).1f ms, but hold_up_ms is %(hold_up)d (%(assumed)d not '
        'drilled, taken for %(assumed_ms).1f ms). Use another host, run '
        '"temporality drill" there, or delete servers' %
        dict(dataclasses.asdict(prediction), hold_up=hold_up_ms))


def has_room(pool_path, run_dir, hold_up_ms):
    """Whether one more pVM, of default priority, fits into the budget."""
    _known, prediction = regions.predict(pool_path, run_dir, _NEXT,
                                         priority.DEFAULT)
    return prediction.total_ms <= hold_up_ms
