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

MAX_OUTAGE_EXTRA_SPEC = 'temporality:max_outage'


class BadLimit(ValueError):
    """An extra spec that is no number of seconds."""


def max_outage(extra_specs, default=0):
    """Seconds that a server's outage may last; 0: any time.

    :param extra_specs: of its flavor
    :param default: [temporality] max_outage
    :raises BadLimit: naming the offending value and what is possible
    """
    value = extra_specs.get(MAX_OUTAGE_EXTRA_SPEC, default)
    try:
        seconds = int(value)
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise BadLimit(
            "Flavor extra spec '%s' is '%s'; it must be a whole number of "
            "seconds, 0 for no limit" % (MAX_OUTAGE_EXTRA_SPEC, value))
    return seconds
