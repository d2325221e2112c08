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

"""Which way QEMU is made to write its state.

"migrate" switches dirty logging on for all memory first. Under KVM that takes
time that grows with the memory. With "background-snapshot" QEMU does without,
but write-protects what other writable memory goes with the state, mainly that
of displays, and releases it page by page. Both flush the disks and fail when
they cannot.

The costs are measurements (doc/source/evaluation-fixation.rst); all that
depends on them is which of the two is taken.
"""

from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module

MIGRATE = 'migrate'
SNAPSHOT = 'snapshot'

# Milliseconds: of the former for memory, of the latter for other memory and
# for what it needs at least.
_MIGRATE_PER_GIB = 0.1
_SNAPSHOT_PER_MIB = 0.7
_SNAPSHOT_AT_LEAST = 1.0


def choose(qmp: qmp_module.QmpClient, memory_size: int,
           timeout: float) -> tuple[str, str | None]:
    """Return the faster route that works, and why the other one does not.

    :param qmp: connection to a QEMU of which nobody saves the state now
    :param memory_size: bytes of the server's memory
    :param timeout: seconds for each command
    :returns: (MIGRATE or SNAPSHOT, words or None)
    """
    if not qmp.command('query-kvm', timeout=timeout)['enabled']:
        return MIGRATE, None
    other = other_memory(qmp.command(
        'human-monitor-command', {'command-line': 'info ramblock'},
        timeout=timeout))
    if (other is None or memory_size / 2**30 * _MIGRATE_PER_GIB <=
            other / 2**20 * _SNAPSHOT_PER_MIB + _SNAPSHOT_AT_LEAST):
        return MIGRATE, None
    try:
        # Checked by QEMU for what is not left out; so that comes first.
        migration.set_capability(qmp, 'x-ignore-shared', True, timeout)
        migration.set_capability(qmp, 'background-snapshot', True, timeout)
    except qmp_module.QmpCommandError as e:
        return MIGRATE, ('background snapshots do not work: %s; give QEMU '
                         'access to /dev/userfaultfd' % e.desc)
    finally:
        if qmp.connected:
            migration.clear_capabilities(qmp, timeout)
    return SNAPSHOT, None


def other_memory(blocks: str) -> int | None:
    """Count the writable memory in a state that is not the server's.

    :param blocks: what QEMU says to "info ramblock"
    :returns: bytes; None if that cannot be understood
    """
    total = 0
    try:
        lines = blocks.splitlines()
        if not lines[0].split()[:2] == ['Block', 'Name']:
            return None
        for line in lines[1:]:
            fields = line.split()
            # name, "4", "KiB", offset, used, total, address, "rw"; what has
            # no name is not in the machine, and goes into no state.
            if (len(fields) == 8 and fields[7] == 'rw' and
                    fields[0].split('/')[-1] != 'nvram'):
                total += int(fields[4], 16)
    except (ValueError, IndexError):
        return None
    return total
