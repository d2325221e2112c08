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

"""Queues of virtio disks, as flavors ask for them."""

from nova.api.validation.extra_specs import validators
from nova import exception as nova_exception
import pytest

from nova_temporality.spec import disk_queues
from nova_temporality.spec import errors

SIZE = 'temporality:disk_queue_size'
COUNT = 'temporality:disk_queues'


def test_read():
    assert disk_queues.of_flavor({}) == disk_queues.DiskQueues(16, 1)
    assert disk_queues.of_flavor({SIZE: '1024', COUNT: '64'}) == (
        disk_queues.DiskQueues(1024, 64))


@pytest.mark.parametrize('key, value', [
    (SIZE, '8'), (SIZE, '2048'), (SIZE, '48'), (SIZE, 'many'),
    (COUNT, '0'), (COUNT, '65'), (COUNT, '')])
def test_refused(key, value):
    with pytest.raises(errors.InvalidSpec) as caught:
        disk_queues.of_flavor({key: value})
    assert "%s' is '%s'" % (key, value) in str(caught.value)


def test_validated_by_the_api():
    validators.validate(SIZE, '64')
    validators.validate(COUNT, '4')
    for key, value in ((SIZE, '8'), (COUNT, '65')):
        with pytest.raises(nova_exception.ValidationError):
            validators.validate(key, value)
