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

"""Nova's concurrency mode has to be chosen before Nova is imported.

Native threads are what nova-compute runs by default. The other mode is
chosen by OS_NOVA_DISABLE_EVENTLET_PATCHING=false, as Nova's own tests do.
"""

import os

os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')

from nova import monkey_patch  # noqa: E402

monkey_patch.patch(backend='threading')

import pytest  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line(
        'markers', 'native_threads: of code that never runs in nova-compute '
        'and relies on threads that block in C')


def pytest_collection_modifyitems(items):
    if not monkey_patch.is_patched():
        return
    for item in items:
        if item.get_closest_marker('native_threads'):
            item.add_marker(pytest.mark.skip(
                reason='its code runs in a process without eventlet'))
