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

"""Files that driver and notifier share: below run_dir, and in the pool."""

import os


def control_socket(run_dir: str) -> str:
    """Control socket of the notifier."""
    return os.path.join(run_dir, 'notifier.sock')


def lock_file(run_dir: str) -> str:
    """Locked by the one notifier that runs."""
    return os.path.join(run_dir, 'notifier.lock')


def last_outage(run_dir: str) -> str:
    """Report of the last outage, in JSON."""
    return os.path.join(run_dir, 'last-outage.json')


def stopped_note(run_dir: str, name: str) -> str:
    """Note of the notifier that it stopped a pVM."""
    return os.path.join(run_dir, 'stopped', name)


def priority_note(run_dir: str, name: str) -> str:
    """Note of the driver that tells a pVM's priority."""
    return os.path.join(run_dir, 'priority', name)


def qmp_dir(run_dir: str, name: str) -> str:
    """Directory of a pVM's QMP sockets, owned by the pVM's user id.

    What else its QEMU is given when it starts is there, too.
    """
    return os.path.join(run_dir, 'qmp', name)


def cells_table(run_dir: str, name: str) -> str:
    """The table of a pVM's NUMA cells, which its QEMU gives to its guest."""
    return os.path.join(qmp_dir(run_dir, name), 'cells')


def fixate_socket(run_dir: str, name: str) -> str:
    """QMP socket of a pVM that is kept for the engine alone."""
    return os.path.join(qmp_dir(run_dir, name), 'fixate.sock')


def watch_socket(run_dir: str, name: str) -> str:
    """QMP socket of a pVM through which the notifier looks after it."""
    return os.path.join(qmp_dir(run_dir, name), 'watch.sock')


def recover_socket(run_dir: str, name: str) -> str:
    """QMP socket of a recovered pVM, through which its state is loaded."""
    return os.path.join(qmp_dir(run_dir, name), 'recover.sock')


def recovering_note(run_dir: str, name: str) -> str:
    """Note of nova-compute that a pVM's recovery began and did not end."""
    return os.path.join(run_dir, 'recovering', name)


def moving_note(run_dir: str, name: str) -> str:
    """Note of nova-compute that a pVM is coming or going, live."""
    return os.path.join(run_dir, 'moving', name)


def recover_requests(run_dir: str) -> str:
    """Directory of the operator's requests to recover pVMs now."""
    return os.path.join(run_dir, 'recover')


def pending_note(run_dir: str, name: str) -> str:
    """Note of nova-compute that a pVM is still to be recovered, and why."""
    return os.path.join(run_dir, 'pending', name)


def mutes(run_dir: str) -> str:
    """Codes of health that are muted, in JSON."""
    return os.path.join(run_dir, 'mutes')


def brakes(run_dir: str) -> str:
    """Note of the notifier of QEMUs that it has slowed."""
    return os.path.join(run_dir, 'brakes.json')


def accepted_disks_note(run_dir: str, name: str) -> str:
    """Note of the operator that a pVM's disks are right as they are."""
    return os.path.join(run_dir, 'accept-disks', name)


def holds_pool(pool_path: str) -> bool:
    """Whether there is a pool in this directory."""
    return os.path.lexists(os.path.join(pool_path, 'pool'))


def drills(pool_path: str) -> str:
    """What drills have measured, in JSON, beside the pool's own files."""
    return os.path.join(pool_path, 'drills')


def outages(pool_path: str) -> str:
    """Directory of the reports of all outages, beside the pool's files."""
    return os.path.join(pool_path, 'outages')


def recoveries(pool_path: str) -> str:
    """What became of servers after outages, beside the outages' reports."""
    return os.path.join(outages(pool_path), 'recoveries')


def loading_note(pool_path: str, name: str) -> str:
    """Note that a snapshot is being loaded into a pVM, and not yet ended."""
    return os.path.join(pool_path, 'loading', name)


def disks_note(pool_path: str, name: str) -> str:
    """Note of what a pVM's disks were when it was fixated, in JSON."""
    return os.path.join(pool_path, 'disks', name)


def cpu_note(pool_path: str, name: str) -> str:
    """Note of what a pVM's vCPUs could do when it was armed, in JSON."""
    return os.path.join(pool_path, 'cpus', name)


def nvdimms_note(pool_path: str, name: str) -> str:
    """Note of what the NVDIMMs counted when a pVM was armed, in JSON."""
    return os.path.join(pool_path, 'nvdimms', name)


def vault_bandwidth(vault: str) -> str:
    """What was measured of a vault's disk, in JSON, in the vault."""
    return os.path.join(vault, 'bandwidth')


def vault_loss(pool_path: str, name: str) -> str:
    """Note of why a pVM was not restored from the vault, in JSON."""
    return os.path.join(pool_path, 'vault-losses', name)


def memory_sum(pool_path: str, name: str) -> str:
    """Note of what a pVM's memory was before a planned reboot, in JSON."""
    return os.path.join(pool_path, 'sums', name)
