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
"""How long an outage may be that a server is to run on after."""

from collections import abc

from nova_temporality.spec import numbers

MAX_OUTAGE_EXTRA_SPEC = 'temporality:max_outage'


def of_flavor(extra_specs: abc.Mapping[str, str]) -> int | None:
    """Seconds that a server's outage may last.

    :param extra_specs: of its flavor
    :returns: 0 for any time; None if the flavor does not say
    :raises InvalidSpec: naming the value and what is possible
    """
    if MAX_OUTAGE_EXTRA_SPEC not in extra_specs:
        return None
    return numbers.read(extra_specs, MAX_OUTAGE_EXTRA_SPEC,
                        'a whole number of seconds, 0 for no limit', 0)
