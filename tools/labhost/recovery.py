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

"""Brings back the servers of this host, and notes what became of them."""

import json
import os
import time

from nova.compute import vm_states
import nova.conf
from nova import objects

from nova_temporality.privsep import regions
from nova_temporality.virt.recovery import manager
from nova_temporality import vpm

from labhost import guest
from labhost import servers
from labhost import settings

CONF = nova.conf.CONF

NOTE = '/run/lab/recovered.json'


def recover_all(plane, driver, context):
    """Recover every server; boot those afresh that are not resumed."""
    found = [_recover(plane, driver, context, uuid)
             for uuid in servers.names()]
    for outcome in found:
        settings.say('%(uuid)s: %(result)s' % outcome)
    os.makedirs(os.path.dirname(NOTE), exist_ok=True)
    with open(NOTE + '.new', 'w') as stream:
        json.dump(found, stream)
    os.rename(NOTE + '.new', NOTE)


def _unproven(uuid):
    try:
        regions.proven_state(CONF.temporality.pool_path, uuid)
    except vpm.Unproven as exc:
        return str(exc)
    return None


def _recover(plane, driver, context, uuid):
    """Recover one server.

    :returns: its UUID and kind; why its state is unproven, or None; what its
              memory says before ("dark") and after; the result, which is
              "resumed", "given up" or an error in words
    """
    dark = guest.dark_report(uuid)
    outcome = {'uuid': uuid, 'kind': servers.kind(uuid),
               'unproven': _unproven(uuid),
               'dark': guest.words(dark)}
    began = time.monotonic()
    try:
        manager.recover(driver, context, uuid, clock_deadline=0)
        instance = objects.Instance.get_by_uuid(context, uuid)
        if instance.vm_state == vm_states.ERROR:
            outcome['reason'] = plane.faults[uuid]
            servers.start(driver, context, uuid)
            after = guest.wait_running(uuid)
            result = 'given up'
        else:
            after = guest.wait_running(uuid, sum(dark.steps))
            result = 'resumed'
        outcome['after'] = guest.words(after)
    except Exception as exc:
        result = 'failed: %s: %s' % (type(exc).__name__, exc)
    return dict(outcome, result=result,
                seconds=round(time.monotonic() - began, 1))
