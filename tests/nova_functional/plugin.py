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

"""Nova's functional libvirt tests with our driver and scheduler plug-in.

A pytest plugin: ``pytest -p tests.nova_functional.plugin --pyargs <module>``
in a process of its own, like that for Nova's unit tests. These tests have
Nova's real API, scheduler, conductor and compute manager, a real Placement,
and several compute hosts in one process; only libvirt is Nova's fake. Servers
in them are ordinary ones; what is shown is that nothing changes for those. Of
ours one thing is hidden from the tests: some compare all that a host has in
use with what they expect, and a pVM's resource class is in that list, with 0.
"""

import functools
import os
import sys

from tests.nova_unit import plugin as nova_unit  # noqa: I100 (comes first)

from nova import test  # noqa: I100
from nova.tests.functional import fixtures

from nova_temporality import conf
from nova_temporality.spec import resources

# a wheel of Nova has it there, and not where Nova's tests expect it
_PASTE = os.path.join(sys.prefix, 'etc/nova/api-paste.ini')
_FILTERS = ['nova.scheduler.filters.all_filters',
            'nova_temporality.scheduler.register']


def _as_installed(run):
    @functools.wraps(run)
    def wrapper(self, result=None):
        # Nova's fixtures forget configuration after each test
        conf.CONF.set_override('api_paste_config', _PASTE, group='wsgi')
        conf.CONF.set_override('available_filters', _FILTERS,
                               group='filter_scheduler')
        return run(self, result)

    return wrapper


def _without_nvram(get):
    @functools.wraps(get)
    def wrapper(self, url, **kwargs):
        response = get(self, url, **kwargs)
        if url.endswith('/usages'):
            assert not response.body['usages'].pop(resources.NVRAM_MB, 0)
        return response

    return wrapper


def pytest_configure(config):
    """Put everything in place."""
    nova_unit.install(config, nova_unit.SubstituteDriver)
    test.TestCase.run = _as_installed(test.TestCase.run)
    fixtures.PlacementApiClient.get = _without_nvram(
        fixtures.PlacementApiClient.get)
