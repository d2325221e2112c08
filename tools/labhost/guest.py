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

import time

import nova.conf

from nova_temporality.privsep import regions

from labhost import checker_report

CONF = nova.conf.CONF

# A machine under TCG, and a guest under TCG in it.
PATIENCE = 300
STEPS = 64


class Wrong(Exception):
    """A guest found something, or does not get on."""


def report(uuid):
    """What it says now, also while it is dark."""
    region = regions.lookup(CONF.temporality.pool_path, uuid)
    return checker_report.Report.of_memory(region.memory_path)


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
        found = report(uuid)
        if found.wrong:
            raise Wrong('it found something wrong: %s' % words(found))
        if found.filled and sum(found.steps) >= before + STEPS:
            return found
        if time.monotonic() > deadline:
            raise Wrong('it does not get on: %s' % words(found))
        time.sleep(0.1)
