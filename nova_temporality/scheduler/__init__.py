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

"""The scheduler's plug-in."""

from nova.scheduler import request_filter as nova_request_filter

from nova_temporality.scheduler import request_filter


def register() -> list[type]:
    """Add the request filter; name this in ``available_filters``.

    Nova has no hook for request filters of others, but it calls functions
    that ``[filter_scheduler] available_filters`` names when it starts, and
    takes the scheduler filters (here: none) that they return.
    """
    filters = nova_request_filter.ALL_REQUEST_FILTERS
    if request_filter.claim_nvram not in filters:
        filters.append(request_filter.claim_nvram)
    return []
