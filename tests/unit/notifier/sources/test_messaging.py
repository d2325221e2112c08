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

"""Messages about power: fresh ones count, others are ignored."""

import time

import pytest

pytestmark = pytest.mark.native_threads


class TestMessages:

    @pytest.fixture
    def received(self):
        return []

    @pytest.fixture
    def endpoint(self, received):
        # It chooses native threads for the whole process.
        from nova_temporality.notifier.sources import messaging
        return messaging.Endpoint('room 1', 5000, received.append)

    @staticmethod
    def message(**changes):
        return dict({'site': 'room 1', 'level': 'commit',
                     'issued_at': time.time(), 'valid_ms': 5000}, **changes)

    @pytest.mark.parametrize('level', ['good', 'warn', 'commit'])
    def test_fresh(self, endpoint, received, level):
        endpoint.power({}, **self.message(level=level))
        assert received[0].level == level

    @pytest.mark.parametrize('changes', [
        {'site': 'room 2'}, {'site': None}, {'level': 'lost'},
        {'level': ['commit']}, {'level': None},
        {'issued_at': None}, {'issued_at': '1'}, {'issued_at': float('nan')},
        {'issued_at': 0}, {'issued_at': True}, {'issued_at': -1},
        {'valid_ms': float('inf')}, {'valid_ms': {}}, {'valid_ms': -1}])
    def test_garbage(self, endpoint, received, changes):
        endpoint.power({}, **self.message(**changes))
        assert received == []

    @pytest.mark.parametrize('age, valid_ms', [
        (2, 1000), (100, 10**9), (-100, 1000)])
    def test_stale(self, endpoint, received, age, valid_ms):
        endpoint.power({}, **self.message(issued_at=time.time() - age,
                                          valid_ms=valid_ms))
        assert received == []

    def test_missing_and_additional_words(self, endpoint, received):
        endpoint.power({})
        assert received == []
        endpoint.power({}, **self.message(room='1'))
        assert len(received) == 1
