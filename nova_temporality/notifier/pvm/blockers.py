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

"""What would make a fixation fail or useless; looked for while power is good.

Each function returns a Blocker, or None.
"""

from collections import abc
import re
from typing import Any
from typing import NamedTuple

from nova_temporality.host import nvdimms as host_nvdimms
from nova_temporality.notifier.pvm import conditions
from nova_temporality.qemu import route
from nova_temporality import vpm

# Bytes that the state of devices takes beside their memory, with room to
# spare: mostly it takes some KiB.
_DEVICES = 1 << 20

# What QEMU calls a machine's flash chips, and the most bytes of one that are
# flushed in no time worth mentioning. UEFI's variables take less than 1 MiB.
_FLASH = re.compile(r'/machine/system\.flash\d')
_FLASH_MAX = 16 << 20


class Blocker(NamedTuple):
    """What blocks a fixation, and what an operator can do, in words.

    :ivar code: of conditions.CODES
    """

    reason: str
    remedy: str
    code: str


def blocked_reasons(migration: Any) -> Blocker | None:
    """What QEMU itself says against saving its state.

    :param migration: what QEMU says to "query-migrate"
    """
    reasons = migration.get('blocked-reasons')
    if reasons:
        return Blocker('; '.join(reasons),
                       'remove what blocks migration from the server',
                       conditions.MIGRATION_BLOCKED)
    return None


def disks(devices: Any, paged: bool) -> Blocker | None:
    """Disks that would lose completed writes in a power cut.

    :param devices: what QEMU says to "query-block"
    :param paged: whether the server has less NVRAM than memory; direct I/O
                  would then read and write pages that were moved
    """
    for device in devices:
        disk = device.get('inserted')
        if not disk or disk.get('ro'):
            continue
        cache = disk['cache']
        name = (device.get('qdev') or device.get('device') or
                disk['node-name'])
        if cache['no-flush']:
            problem = 'ignores flushes (cache=unsafe)'
        elif _is_flash(device):
            continue
        elif cache['writeback'] and not cache['direct']:
            problem = 'keeps completed writes in the page cache ' \
                '(cache=writeback)'
        elif paged and cache['direct']:
            problem = 'uses direct I/O, which does not work with paged ' \
                'memory (cache=none or directsync)'
        else:
            continue
        return Blocker(
            'the disk %s %s' % (name, problem),
            'set its cache mode to %s, then hard-reboot the server' % (
                'writethrough' if paged else 'none or directsync'),
            conditions.DISK_CACHE)
    return None


def _is_flash(device: Any) -> bool:
    """Whether a disk is the flash of UEFI's variables.

    libvirt gives it no cache mode. Nothing is lost: it is small, and QEMU
    flushes it at the fixation, or the fixation fails.
    """
    return (_FLASH.fullmatch(device.get('qdev') or '') is not None and
            device['inserted']['image']['virtual-size'] <= _FLASH_MAX)


def state_size(blocks: str, room: int, largest: int) -> Blocker | None:
    """A state file that might not hold the state.

    :param blocks: what QEMU says to "info ramblock"
    :param room: bytes that a state file holds
    :param largest: bytes of the largest state so far, 0 if there was none
    """
    memory = route.other_memory(blocks) or 0
    needed = max(memory + _DEVICES, largest)
    if needed <= room:
        return None
    return Blocker(
        'its state may take %d KiB, state files hold %d KiB'
        % (needed >> 10, room >> 10),
        'format a pool with a larger --state-size, or give the server a '
        'display with less memory', conditions.STATE_SIZE)


def swap(stats: vpm.RegionStats) -> Blocker | None:
    """A swap file that fails: pages stay in memory until it is full."""
    if stats.error is None:
        return None
    return Blocker(
        stats.error, 'check the disk below swap_dir: is it full, or gone? '
        'When it works again this error goes away by itself', conditions.SWAP)


def nvdimms(found: abc.Iterable[host_nvdimms.Nvdimm]) -> Blocker | None:
    """NVDIMMs that would not keep what is in them.

    :param found: those below the pool
    """
    names = [one.name for one in found if not one.is_armed]
    if not names:
        return None
    return Blocker(
        'what is in these NVDIMMs does not survive a power failure: %s '
        '(not_armed)' % ', '.join(names),
        'see what "ndctl list --dimms --health" says of them; often their '
        'source of energy is worn out. Move the servers to another host, then '
        'replace it', conditions.NVDIMM_NOT_ARMED)
