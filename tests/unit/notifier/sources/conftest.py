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

"""The POD driver, which a stand-in stands for."""

import pytest

from nova_temporality.notifier.sources import pod_device
from tests.framework import pod_stand_in


@pytest.fixture
def driver(tmp_path, monkeypatch):
    stand_in = pod_stand_in.StandIn(tmp_path)
    monkeypatch.setattr(pod_device, 'PATH', stand_in.path)
    monkeypatch.setattr(pod_device.fcntl, 'ioctl', stand_in.ioctl)
    yield stand_in
    stand_in.close()
