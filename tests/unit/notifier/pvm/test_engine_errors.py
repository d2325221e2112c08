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

"""What a pVM's thread makes of an engine that cannot do what it is asked."""

from unittest import mock

import pytest

from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import pvm as pvm_module
from nova_temporality import vpm
from tests.framework import machine

pytestmark = pytest.mark.native_threads


@pytest.fixture
def pvm(monkeypatch):
    """A pVM whose collaborators are stood in for; it runs, and may be armed.

    It is looked at all the time.
    """
    for module, name in ((pvm_module.stopped_note, 'StoppedNote'),
                         (pvm_module.runlock, 'RunLock'),
                         (pvm_module.arming, 'Arming'),
                         (pvm_module.connection, 'Qemu'),
                         (pvm_module.inspector, 'Inspector'),
                         (pvm_module.fixator, 'Fixator'),
                         (pvm_module.nvdimms, 'Counters')):
        monkeypatch.setattr(module, name, mock.MagicMock())
    arming = pvm_module.arming.Arming.return_value
    arming.find.return_value = arming.armed = arming.is_inherited = False
    arming.is_fired = False
    arming.problem = None
    inspector = pvm_module.inspector.Inspector.return_value
    inspector.must_resume = False
    inspector.inspect.return_value = conditions.Condition(conditions.ARMED)
    pvm_module.connection.Qemu.return_value.configure_mock(
        route='migrate', route_problem=None, rests=False)
    region = mock.Mock()
    region.name = 'a'
    made = pvm_module.Pvm(mock.Mock(), mock.Mock(), region, '/run', 0.01,
                          mock.Mock(), mock.Mock())
    made.of_engine = arming
    yield made
    made.close()


def wait_for(pvm, state):
    machine.wait_for(lambda: pvm.condition.state == state, state)


@pytest.mark.parametrize('asked', ['find', 'disarm'])
def test_engine_without_descriptors(pvm, asked):
    """The pVM is not armed, says why, and is tried again."""
    wait_for(pvm, conditions.ARMED)
    call = getattr(pvm.of_engine, asked)
    call.side_effect = vpm.SystemCallFailed('Too many open files')
    wait_for(pvm, conditions.NOT_ARMED)
    assert 'Too many open files' in pvm.condition.reason
    assert 'LimitNOFILE' in pvm.condition.remedy
    calls = call.call_count
    machine.wait_for(lambda: call.call_count > calls + 3, 'more looks')
    assert pvm.is_alive
    call.side_effect = None
    wait_for(pvm, conditions.ARMED)
