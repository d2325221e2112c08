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

"""Options explain themselves in the sample."""

import pytest

from nova_temporality.conf import opts

# The generator breaks longer lines, and leaves ragged ones.
WIDTH = 76

[(_GROUP, OPTIONS)] = opts.list_opts()


@pytest.mark.parametrize('option', OPTIONS, ids=lambda option: option.name)
def test_help(option):
    assert option.help.strip()
    assert [line for line in option.help.splitlines()
            if len(line) > WIDTH] == []
    assert not option.deprecated_for_removal or option.deprecated_reason


def test_defaults_that_keep_memory():
    """What gives memory up is an operator's decision."""
    defaults = {option.name: option.default for option in OPTIONS}
    assert defaults['on_unproven_state'] == 'stop'
    assert defaults['max_outage'] == 0
