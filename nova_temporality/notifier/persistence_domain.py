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

"""What saves the contents of the CPU caches when power fails.

A guest's latest stores are in the CPU caches when its vCPUs stop. Platforms
whose persistence domain is "cpu_cache" (eADR, CXL GPF) save them; those with
"memory_controller" (ADR) do not; see the kernel's
Documentation/ABI/testing/sysfs-bus-nfit and ndctl-list(1). There the kernel's
POD driver has to write them back, after a guest has stopped and before its
state is marked as valid.
"""

from collections import abc
import contextlib
import threading

from nova_temporality.host import dram
from nova_temporality.host import nvdimms
from nova_temporality.host import reading
from nova_temporality.notifier.sources import pod_device
from nova_temporality import vpm

# What saves them.
EMULATED = 'emulated'
DISK = 'disk'
DRAM = 'dram'
VAULT = 'vault'
HARDWARE = 'hardware'
DRIVER = 'driver'
NOBODY = 'nobody'

_WORDS = {
    EMULATED: 'emulated NVRAM: nothing survives a real power cut',
    DISK: 'an ordinary file system: memory is written to its disk before a '
          'state is marked, however long that takes',
    DRAM: 'ordinary DRAM: servers survive a planned reboot or kexec, but no '
          'power cut',
    VAULT: 'DRAM with a vault: ',
    HARDWARE: 'eADR/GPF: caches are saved by hardware',
    DRIVER: 'ADR + /dev/pod: caches are written back by the kernel driver',
    NOBODY: 'not protected: ',
}
_KEEPERS = {'tmpfs': EMULATED, 'file': DISK}
_PLANNED_ONLY = ('the supply does not last for writing it (vault_hold_up is '
                 '0), so servers survive a planned reboot or kexec, but no '
                 'power cut')
_AT_FAILURES = ('servers survive a planned reboot, and a power cut if the '
                'supply lasts until they are written to it (vault_hold_up is '
                '%d s)')
_REMEDY = ('load the POD driver (modprobe pod), or use a platform with eADR '
           'or CXL GPF')
_MOUNT = ('mount the file system of the pool as it was when the pool was made '
          '(-o dax=always), then restart temporality-engine and '
          'temporality-notifier')


class Platform:
    """The host, as far as the NVRAM of one pool depends on it.

    :param pool_path: directory of the pool
    :param info: of the pool; where its medium is not "dax", there is no
                 hardware to ask
    :param use_driver: called with the file descriptor of the POD driver, as
                       soon as that has to write caches back
    :param sysfs: where sysfs is mounted
    :param pod_path: the POD driver's device
    :param command_line: file with that of the kernel
    :param vault_hold_up: [temporality] vault_hold_up, seconds
    :ivar is_dram: whether the pool lies in DRAM, see dram.holds()
    :ivar nvdimms: those below the pool, as they were at the latest look()
    :ivar remedy: what an operator can do when nobody saves them
    """

    def __init__(self, pool_path: str, info: vpm.PoolInfo,
                 use_driver: abc.Callable[[int], object],
                 sysfs: str = nvdimms.SYSFS,
                 pod_path: str = pod_device.PATH,
                 command_line: str = dram.COMMAND_LINE,
                 vault_hold_up: int = 0) -> None:
        self.remedy = _MOUNT if info.medium_problem else _REMEDY
        self._domain = (None if info.medium != 'dax' else
                        _persistence_domain(pool_path, sysfs))
        self.is_dram = info.medium == 'dax' and dram.holds(
            pool_path, sysfs, command_line)
        self._info = info
        self._vault_hold_up = vault_hold_up
        self._use_driver = use_driver
        self._pod_path = pod_path
        self._pod: pod_device.PodDevice | None = None
        self._lock = threading.Lock()
        self._pool_path = pool_path
        self._sysfs = sysfs
        self.nvdimms = (nvdimms.below(pool_path, sysfs)
                        if info.medium == 'dax' else [])

    def look(self) -> None:
        """Look at the NVDIMMs; not to be called by who fixates."""
        if self._info.medium != 'dax':
            return
        # Without its file system, the pool's own errors say what is wrong.
        with contextlib.suppress(OSError):
            self.nvdimms = nvdimms.below(self._pool_path, self._sysfs)

    def protection(self) -> tuple[str, str | None]:
        """Find out what saves the caches.

        A driver that is found is kept: it cannot be unloaded any more.

        :returns: EMULATED, DISK, DRAM, VAULT, HARDWARE, DRIVER or NOBODY;
                  and, for the latter, the reason in words, else None
        """
        if self._info.medium_problem:
            return NOBODY, self._info.medium_problem
        if self._info.vault:
            return VAULT, None
        if self._info.medium in _KEEPERS:
            return _KEEPERS[self._info.medium], None
        if self.is_dram:
            return DRAM, None
        if self._domain == 'cpu_cache':
            return HARDWARE, None
        if self._domain is None:
            return NOBODY, (
                "the persistence domain of the pool's device is unknown: "
                'there may be nothing that saves the CPU caches when power '
                'fails')
        problem = ("the persistence domain of the pool's device is '%s': when "
                   'power fails, what is in the CPU caches is lost'
                   % self._domain)
        if self._domain != 'memory_controller':
            return NOBODY, problem
        try:
            self._find_driver()
        except pod_device.PodError as e:
            return NOBODY, '%s (%s)' % (problem, e)
        return DRIVER, None

    def problem(self) -> str | None:
        """Return why no pVM is protected, in words, or None."""
        return self.protection()[1]

    def describe(self) -> dict[str, str]:
        """Return what saves the caches, also in words, as plain data."""
        keeper, problem = self.protection()
        if keeper == VAULT:
            problem = (_AT_FAILURES % self._vault_hold_up
                       if self._vault_hold_up else _PLANNED_ONLY)
        return {'caches': keeper, 'detail': _WORDS[keeper] + (problem or '')}

    def _find_driver(self) -> None:
        with self._lock:
            if self._pod is not None:
                return
            pod = pod_device.PodDevice(self._pod_path)
            try:
                if not pod.info().features & pod_device.WRITES_BACK:
                    raise pod_device.PodError(
                        'this is a virtual machine, in which the POD driver '
                        'cannot be sure to reach the caches')
                # If rights are missing, that must show now.
                pod.write_back()
            except pod_device.PodError:
                pod.close()
                raise
            self._use_driver(pod.fileno())
            self._pod = pod


def _persistence_domain(pool_path: str, sysfs: str) -> str | None:
    """Return the persistence domain of a pool's device, or None."""
    region = nvdimms.region(pool_path, sysfs)
    if region is None:
        return None
    return reading.attribute(region / 'persistence_domain')
