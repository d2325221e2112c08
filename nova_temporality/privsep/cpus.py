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

"""Whether a state's vCPUs can do on this host what they could."""

from nova_temporality.host import cpu_notes
from nova_temporality.qemu import cpu
from nova_temporality.qemu import incoming
from nova_temporality.qemu import qmp as qmp_module
from nova_temporality import vpm


def check(qmp: qmp_module.QmpClient, pool: vpm.Pool, region: vpm.RegionInfo,
          timeout: float) -> None:
    """Compare the vCPUs of an empty QEMU with those that were armed.

    :param qmp: connection to the QEMU
    :param region: whose state it shall load
    :param timeout: seconds for each command
    :raises incoming.RecoveryError: they have lost features
    """
    before = cpu_notes.read(pool.path, region)
    if not before:
        return
    try:
        lost = cpu.lost(before, cpu.words(qmp, timeout))
    except qmp_module.QmpError as exc:
        raise incoming.RecoveryError(str(exc))
    if lost:
        raise incoming.RecoveryError(
            'its vCPUs have lost features that it has seen: %s. Undo what '
            'changed on this host: microcode, kernel, QEMU, or settings of '
            'the firmware' % ', '.join(lost))
