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

"""Events reach every subscriber."""

import queue

import pytest

from nova_temporality.notifier.reports import events

pytestmark = pytest.mark.native_threads


def test_subscriber_that_fails_keeps_none_from_others(caplog):
    received = queue.SimpleQueue()

    def fail(kind, data):
        raise OSError('no bus')
    publisher = events.Publisher()
    publisher.subscribe(fail)
    publisher.subscribe(lambda kind, data: received.put((kind, data)))
    for name in 'ab':
        publisher.publish(events.PVM_ARMED, {'name': name})
        assert received.get(timeout=60) == (events.PVM_ARMED, {'name': name})
    assert 'no bus' in caplog.text
