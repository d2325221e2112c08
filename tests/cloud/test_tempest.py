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

"""The real tempest, with every server persistent."""

import pytest

from tempestrun import run


# tests/cloud has the actions, too. "make tempest" runs all of ours and of
# Nova's, which takes a quarter of an hour.
SOME = [run.OURS + module for module in (
    'api.test_create', 'api.test_extra_specs', 'scenario.test_power_cut')]


# Scores of servers, emulated.
@pytest.mark.timeout(3600)
def test_tempest(cloud, capsys):
    totals = run.run(SOME)
    with capsys.disabled():
        print('\ntempest: %s' % ', '.join(
            '%s: %d' % item for item in totals.items()))
    assert totals['Failed'] == 0
    # nobody loses tests without noticing: of ours
    assert totals['Passed'] >= 8
