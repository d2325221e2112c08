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

"""The agent in a guest, when the guest runs on after it stood still."""

from __future__ import annotations

import threading
import time

import libvirt
from lxml import etree
from nova.virt.libvirt import guest as libvirt_guest
from oslo_log import log as logging

from nova_temporality.virt.recovery import clock

LOG = logging.getLogger(__name__)

# Seconds for libvirt to hear that the guest has an agent. QEMU finds that in
# the state that it loaded, and tells when the vCPUs run.
_PATIENCE = 30
_INTERVAL = 0.1

# Seconds for the host's clock to become synchronised after a boot.
_CLOCK_PATIENCE = 900

_PORT = "devices/channel/target[@name='org.qemu.guest_agent.0']"


def catch_up(guest: libvirt_guest.Guest, since: clock.Instant | None,
             frozen: bool = False) -> threading.Thread:
    """Have a guest that runs again take note of the time that has passed.

    Nobody waits for that: what an agent answers, and when, is up to its
    guest, and other servers are to be recovered.

    :param since: when it stood still; None if nobody knows
    :param frozen: whether somebody had its file systems frozen, perhaps, who
                   will not thaw them any more
    :returns: the thread that does it
    """
    thread = threading.Thread(target=_catch_up, args=(guest, since, frozen),
                              daemon=True)
    thread.start()
    return thread


def _catch_up(guest: libvirt_guest.Guest, since: clock.Instant | None,
              frozen: bool) -> None:
    try:
        if not _wait_connected(guest):
            return
        if frozen:
            # A frozen guest's agent does nothing else.
            guest.thaw_filesystems()
            LOG.info("The guest's file systems are not frozen any more",
                     instance_uuid=guest.uuid)
    except libvirt.libvirtError as exc:
        LOG.warning('The guest agent does not answer after the server has '
                    'stood still%s: %s', ', and its file systems may be '
                    'frozen' if frozen else '', exc, instance_uuid=guest.uuid)
    else:
        _set_clock(guest, since)


def _set_clock(guest: libvirt_guest.Guest,
               since: clock.Instant | None) -> None:
    """Set it by the host's, if that is right; wait for that if need be."""
    problem = clock.problem(since)
    if problem:
        clock.wait_synchronised(time.monotonic() + _CLOCK_PATIENCE)
        problem = clock.problem(since)
    if problem:
        LOG.warning('The clock of the guest is behind and is not set: %s',
                    problem, instance_uuid=guest.uuid)
    else:
        guest.sync_guest_time()


def _wait_connected(guest: libvirt_guest.Guest) -> bool:
    """Wait until libvirt knows the agent; whether there is one."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        port = etree.fromstring(guest.get_xml_desc()).find(_PORT)
        if port is None:
            return False
        if port.get('state') == 'connected':
            return True
        if time.monotonic() >= deadline:
            LOG.info('The guest agent is not there; the clock of the guest '
                     'is behind', instance_uuid=guest.uuid)
            return False
        time.sleep(_INTERVAL)
