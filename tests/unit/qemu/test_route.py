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


"""Which way a state is written."""

import pytest

from nova_temporality.qemu import qmp
from nova_temporality.qemu import route
from tests.framework import fake_qmp

GIB = 1 << 30


class TestRoute:

    @pytest.mark.parametrize('blocks, gib, expected', [
        (fake_qmp.NO_DISPLAY, 1, route.MIGRATE),
        (fake_qmp.NO_DISPLAY, 16, route.SNAPSHOT),
        (fake_qmp.BLOCKS, 16, route.MIGRATE),
        (fake_qmp.BLOCKS, 1024, route.SNAPSHOT)])
    def test_faster_one_is_chosen(self, blocks, gib, expected):
        client = fake_qmp.qmp(blocks)
        assert route.choose(client, gib * GIB, 1) == (expected, None)
        assert client.left_on() == set()

    def test_without_kvm_nothing_grows_with_memory(self):
        client = fake_qmp.qmp(fake_qmp.NO_DISPLAY, kvm=False)
        assert route.choose(client, 1024 * GIB, 1) == (route.MIGRATE, None)

    def test_reason_for_the_slower_one_is_told(self):
        refusal = qmp.QmpCommandError('x', 'GenericError', 'not supported')
        client = fake_qmp.qmp(
            fake_qmp.NO_DISPLAY,
            migrate_set_capabilities_background_snapshot=refusal)
        chosen, reason = route.choose(client, 64 * GIB, 1)
        assert chosen == route.MIGRATE
        assert 'not supported' in reason and '/dev/userfaultfd' in reason
        assert client.left_on() == set()

    @pytest.mark.parametrize('blocks', ['', 'unknown command\n',
                                        'Block Name\na b c d zz f g rw\n'])
    def test_what_is_not_understood_is_not_relied_upon(self, blocks):
        assert route.other_memory(blocks) is None
        client = fake_qmp.qmp(blocks)
        assert route.choose(client, 64 * GIB, 1)[0] == route.MIGRATE

    def test_other_memory(self):
        assert route.other_memory(fake_qmp.BLOCKS) == 16 << 20
        assert route.other_memory(fake_qmp.NO_DISPLAY) == 0
