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

"""What is done over QMP before and after a virtual environment is saved.

The engine does the save itself.
"""

import time

from nova_temporality.qemu import qmp as qmp_module
from nova_temporality.vpm import engine

# Run states in which vCPUs run, or would run if the guest did not sleep (S3).
# After "cont" QEMU puts such a guest back to sleep.
LIVE_RUNSTATES = ('running', 'suspended')

URI = 'fd:' + engine.STREAM_NAME

# Between two queries of QEMU's progress.
POLL_SECONDS = 0.001

# Of query-migrate; everything else means that a migration is under way.
_ENDED = (None, 'none', 'completed', 'failed', 'cancelled')


class MigrationStuck(Exception):
    """QEMU does not end a migration."""


def set_capability(qmp: qmp_module.QmpClient, name: str, enabled: bool,
                   timeout: float) -> None:
    """Set or clear one of QEMU's migration capabilities."""
    qmp.command('migrate-set-capabilities', {'capabilities': [
        {'capability': name, 'state': enabled}]}, timeout=timeout)


def set_ignore_shared(qmp: qmp_module.QmpClient, enabled: bool,
                      timeout: float) -> None:
    """Keep RAM that lies in a shared file out of QEMU's streams, or not.

    libvirt neither knows nor resets this capability. Left behind, it would
    make "virsh save" write an image without RAM.
    """
    set_capability(qmp, 'x-ignore-shared', enabled, timeout)


def clear_capabilities(qmp: qmp_module.QmpClient, timeout: float) -> None:
    """Clear what a save has set, see set_ignore_shared()."""
    qmp.command('migrate-set-capabilities', {'capabilities': [
        {'capability': name, 'state': False} for name in
        ('background-snapshot', 'x-ignore-shared')]}, timeout=timeout)


def runstate(qmp: qmp_module.QmpClient, timeout: float) -> str:
    """Return QEMU's run state, e.g. "running"."""
    return qmp.command('query-status', timeout=timeout)['status']


def status(qmp: qmp_module.QmpClient,
           timeout: float) -> tuple[str | None, str | None]:
    """Return (status, reason) of the save or load; (None, None) before."""
    reply = qmp.command('query-migrate', timeout=timeout)
    return reply.get('status'), reply.get('error-desc')


def clean_up(qmp: qmp_module.QmpClient, timeout: float) -> None:
    """End a save that may be under way, and clear what it has set.

    vCPUs stay as they are, running or stopped.

    :param timeout: seconds for all of it
    :raises MigrationStuck: QEMU goes on with it
    :raises qmp.QmpError: QEMU does not answer
    """
    deadline = time.monotonic() + timeout
    current, _reason = status(qmp, timeout)
    if current not in _ENDED:
        qmp.command('migrate_cancel', timeout=timeout)
    while (current not in _ENDED or
            # "cont" would be refused.
            runstate(qmp, deadline - time.monotonic()) == 'finish-migrate'):
        if time.monotonic() >= deadline:
            raise MigrationStuck('QEMU does not end its migration (%s)'
                                 % current)
        time.sleep(POLL_SECONDS)
        current, _reason = status(qmp, deadline - time.monotonic())
    clear_capabilities(qmp, deadline - time.monotonic())
