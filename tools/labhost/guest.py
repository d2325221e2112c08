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

"""What a server says of itself, read in its memory."""

import json
import os
import re
import time

import libvirt
import libvirt_qemu
import nova.conf

from nova_temporality.host import durable
from nova_temporality.privsep import regions

from labhost import checker_report

CONF = nova.conf.CONF

PATIENCE = 600
STEPS = 64


class Wrong(Exception):
    """A guest found something, or does not get on."""


def dark_report(uuid):
    """What it said last.

    A paged server's memory lies in pieces: it says what was noted of it.
    """
    region = regions.lookup(CONF.temporality.pool_path, uuid)
    if not region.is_vpm:
        return checker_report.Report.of_memory(region.memory_path)
    with open(_note(uuid), encoding='ascii') as stream:
        return checker_report.Report(json.load(stream))


def words(found):
    """The same as plain data."""
    return dict(vars(found), steps=sum(found.steps))


def wait_running(uuid, before=0):
    """Wait until a guest has filled its memory and goes on checking.

    :param before: the number of its steps that it has to go on from
    :returns: what it says then
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        read = _read(uuid)
        found = checker_report.Report(read)
        if found.is_there and found.wrong:
            raise Wrong('it found something wrong: %s' % words(found))
        if (found.is_there and found.filled and
                sum(found.steps) >= before + STEPS):
            durable.write(_note(uuid), json.dumps(read).encode())
            return found
        if time.monotonic() > deadline:
            raise Wrong('it does not get on: %s' % words(found))
        time.sleep(0.2)


def _note(uuid):
    return os.path.join(CONF.instances_path, uuid, 'report.json')


def _read(uuid):
    """The words of its report, as its QEMU sees them."""
    connection = libvirt.open(CONF.libvirt.connection_uri)
    try:
        text = libvirt_qemu.qemuMonitorCommand(
            connection.lookupByUUIDString(uuid), 'xp /%dxw 0x%x' % (
                checker_report.LENGTH, checker_report.ADDRESS),
            libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    finally:
        connection.close()
    return [int(word, 16) for word in re.findall('0x[0-9a-f]{8}', text)]
