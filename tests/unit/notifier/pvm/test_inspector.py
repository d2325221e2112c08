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

"""When a pVM that stands still is resumed."""

import pytest

from nova_temporality.notifier.pvm import inspector
from nova_temporality import vpm


@pytest.fixture
def inspected(tmp_path):
    with vpm.Pool.create(tmp_path / 'pool', total_size=1 << 20,
                         state_size=64 << 10, uid_base=0) as pool:
        yield inspector.Inspector(pool, pool.alloc('pvm', 4096), None, None,
                                  None, None, str(tmp_path))


def state(inspected):
    return inspected.is_held, inspected.must_resume


def test_outage_holds_what_was_to_be_resumed(inspected):
    inspected.resume_later()
    assert state(inspected) == (False, True)
    inspected.hold()
    assert state(inspected) == (True, False)


def test_released_when_it_was_resumed(inspected):
    inspected.hold()
    inspected.resume_later()
    inspected.release()
    assert state(inspected) == (False, False)


def test_nothing_is_resumed_when_its_qemu_has_ended(inspected):
    inspected.hold()
    inspected.resume_later()
    inspected.expect_no_resume()
    assert state(inspected) == (True, False)
