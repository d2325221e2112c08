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

"""/dev/pod, whose ioctls are a stand-in's."""

import errno

import pytest

from nova_temporality.notifier.sources import pod_device
from tests.framework import descriptors

pytestmark = pytest.mark.native_threads


class TestDevice:

    @pytest.fixture
    def device(self, driver):
        device = pod_device.PodDevice(driver.path)
        yield device
        device.close()

    def test_not_there(self, tmp_path):
        with pytest.raises(pod_device.PodError) as e:
            pod_device.PodDevice(str(tmp_path / 'none'))
        assert 'none' in str(e.value)
        assert 'modprobe pod' in str(e.value)

    def test_other_file(self):
        with pytest.raises(pod_device.PodError) as e:
            pod_device.PodDevice('/dev/null')
        assert 'Inappropriate ioctl' in str(e.value)

    def test_other_abi(self, driver):
        driver.info = driver.info._replace(abi=2)
        before = descriptors.open_below(driver.path)
        with pytest.raises(pod_device.PodError) as e:
            pod_device.PodDevice(driver.path)
        assert 'ABI 2 instead of 1' in str(e.value)
        assert descriptors.open_below(driver.path) == before

    def test_missing_rights(self, device, driver):
        driver.errors['write back'] = errno.EPERM
        with pytest.raises(pod_device.PodError) as e:
            device.write_back()
        assert 'write the CPU caches back: Operation not' in str(e.value)

    def test_closed(self, driver):
        device = pod_device.PodDevice(driver.path)
        device.close()
        assert device.fileno() == -1
