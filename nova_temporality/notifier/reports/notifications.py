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

"""Notifications on the message bus, in the form of Nova's versioned ones."""

from collections import abc
import socket
from typing import Any

from oslo_config import cfg

from nova_temporality.notifier import bus
from nova_temporality.notifier.reports import events

# Events that are sent as errors: somebody has to look at these.
_ERRORS = {events.PVM_UNARMED}

# Names of the payloads, and their versions.
_PAYLOADS = {
    events.PVM_ARMED: ('PvmConditionPayload', '1.1'),
    events.PVM_UNARMED: ('PvmConditionPayload', '1.1'),
    events.OUTAGE_FIXATED: ('OutagePayload', '1.0'),
    events.OUTAGE_CALLED_OFF: ('OutagePayload', '1.0'),
    events.OUTAGE_VAULTED: ('OutagePayload', '1.0'),
    events.DRILL_ENDED: ('DrillPayload', '1.0'),
}


class Notifications:
    """Sends events as notifications.

    :param conf: with group [temporality]
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        opts = conf.temporality
        self._host = socket.gethostname()
        self._notifier = bus.notifier(
            conf, opts.notification_url, opts.notification_topic,
            'temporality:' + self._host)

    def on_event(self, kind: str, data: abc.Mapping[str, Any]) -> None:
        """Send an event; to be subscribed to events.Publisher."""
        send = (self._notifier.error if kind in _ERRORS
                else self._notifier.info)
        name, version = _PAYLOADS[kind]
        send({}, 'temporality.' + kind, {
            'nova_object.name': name,
            'nova_object.namespace': 'temporality',
            'nova_object.version': version,
            'nova_object.data': dict(data, host=self._host)})
