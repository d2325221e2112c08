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

"""The kernel driver of the power outage detector, /dev/pod."""

from oslo_config import cfg

from nova_temporality.notifier.sources import device
from nova_temporality.notifier.sources import pod_device
from nova_temporality.vpm import engine


class PodSource(device.DeviceSource):
    """Reports the driver's events, and tells it when the pVMs are fixated.

    The driver is told to send signal 44 too if "signal" is a source.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.watched = engine.Watched(
            engine.POD_DEVICE, pod_device.PATH, engine.POD_SIGNAL
            if 'signal' in conf.temporality.pod_sources else 0)

    def acknowledge(self) -> None:
        self.engine.acknowledge()
