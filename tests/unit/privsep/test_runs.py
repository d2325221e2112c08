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

"""Who may let vCPUs run; tests/unit/virt has the rest."""

from unittest import mock

import pytest

from nova_temporality.notifier import client
from nova_temporality.privsep import runs
from nova_temporality import vpm
from tests.framework import pools

pytestmark = pytest.mark.usefixtures('helper')


def test_load(pool):
    pool.alloc('pvm', 1 << 20)
    info = vpm.StateInfo(1, 12, 2, pools.META)
    with mock.patch.object(runs.qmp, 'QmpClient'), \
            mock.patch.object(runs.incoming, 'load_state',
                              return_value=info) as load_state:
        assert runs.load(pool.path, '/run', 'pvm', 5.0) == info
    assert load_state.call_args.args[2:] == (pool.lookup('pvm'), 5.0)


def test_suspend(pool):
    reply = {'name': 'pvm', 'result': 'fixated', 'fixated_ms': 4.2}
    with mock.patch.object(client, 'call', return_value=reply) as call:
        suspension = runs.suspend('/run', 'pvm')
    call.assert_called_once_with('/run', 'suspend', name='pvm')
    assert suspension.fixated_ms == 4.2
