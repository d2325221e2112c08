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

"""By which route QEMU is made to save its state.

"migrate" first switches on dirty logging for all memory. Under KVM that takes
longer the more memory there is. With "background-snapshot" QEMU does not need
that. But it write-protects the other writable memory that belongs to the
state, mainly that of displays, and releases it page by page. Both flush the
disks, and fail if they cannot.

The costs below were measured (doc/source/evaluation-fixation.rst). They only
decide which of the two routes is taken.
"""

from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp as qmp_module

MIGRATE = 'migrate'
SNAPSHOT = 'snapshot'

# Milliseconds: of "migrate" for memory; of "background-snapshot" for other
# memory, and at least.
_MIGRATE_PER_GIB = 0.1
_SNAPSHOT_PER_MIB = 0.7
_SNAPSHOT_AT_LEAST = 1.0


def choose(qmp: qmp_module.QmpClient, memory_size: int,
           timeout: float) -> tuple[str, str | None]:
    """Return the faster route that works, and why the other one does not.

    :param qmp: connection to a QEMU whose state nobody is saving
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
        # QEMU checks the memory that is not left out. So first leave out what
        # can be.
        migration.set_capability(qmp, 'x-ignore-shared', True, timeout)
        migration.set_capability(qmp, 'background-snapshot', True, timeout)
    except qmp_module.QmpCommandError as e:
        return MIGRATE, ('background snapshots do not work: %s. Give QEMU '
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
            # name, "4", "KiB", offset, used, total, address, "rw". Memory
            # without a name is not in the machine, and so in no state.
            if (len(fields) == 8 and fields[7] == 'rw' and
                    fields[0].split('/')[-1] != 'nvram'):
                total += int(fields[4], 16)
    except (ValueError, IndexError):
        return None
    return total
