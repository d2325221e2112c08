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

"""Whether the NVDIMMs kept what was in them, so that nobody believes a ruin.

That an NVDIMM could not save its contents shows at the next boot only: in a
counter of dirty shutdowns, and in its flags. So what the counters are is noted
before a pVM is armed, durably, in the pool, and compared before its state is
believed. A note counts for the state of one epoch only.

Where there is no note, or nothing counts, nobody can tell. Then the state
stands for itself, as it does where NVRAM is emulated. Where NVRAM is ordinary
DRAM, which nothing saves, a state of an earlier boot has to fit its memory
(:mod:`nova_temporality.host.memory_sums`).
"""

from collections import abc
from typing import Any

from nova_temporality.host import dram
from nova_temporality.host import durable
from nova_temporality.host import memory_sums
from nova_temporality.host import nvdimms
from nova_temporality.host import paths
from nova_temporality.host import state_notes
from nova_temporality.host import vault_losses
from nova_temporality import vpm

_BOOT_ID = '/proc/sys/kernel/random/boot_id'


def proven_state(pool: vpm.Pool, region: vpm.RegionInfo,
                 sysfs: str = nvdimms.SYSFS) -> vpm.StateInfo:
    """Prove the state of a pVM whose NVDIMMs have not lost it either.

    :param sysfs: where sysfs is mounted
    :raises vpm.Unproven: they have, or there is no state; the text says why
    :raises vpm.SystemCallFailed: nobody can tell now
    """
    state = _verified(pool, region)
    try:
        losses = losses_since(pool.path, region, state.epoch,
                              nvdimms.below(pool.path, sysfs))
        if dram.holds(pool.path, sysfs):
            losses += _dram_losses(pool.path, region, state.epoch)
    except OSError as exc:
        raise vpm.SystemCallFailed(
            'nobody can tell what the NVRAM of %s kept: %s' %
            (region.name, exc))
    if losses:
        raise vpm.Unproven(
            'the NVRAM did not keep what was in it: %s' % '; '.join(losses))
    return state


def _verified(pool: vpm.Pool, region: vpm.RegionInfo) -> vpm.StateInfo:
    try:
        return pool.verify_state(region.id)
    except vpm.Unproven as e:
        why = vault_losses.reason(
            pool.path, pool.lookup(region.name, region.sequence))
        if why is None:
            raise
        raise vpm.Unproven('%s; it was not restored from the vault: %s' %
                           (e, why))


def _dram_losses(pool_path: str, region: vpm.RegionInfo,
                 epoch: int) -> list[str]:
    note = _read(pool_path, region, epoch)
    if note is not None and note['boot'] == boot_id():
        return []
    damage = memory_sums.damage(pool_path, region, epoch, boot_id())
    return [damage] if damage else []


def take(pool_path: str, region: vpm.RegionInfo, epoch: int,
         found: abc.Iterable[nvdimms.Nvdimm],
         is_dram: bool = False) -> None:
    """Note what the counters are, durably, as a whole or not at all.

    Where there are no NVDIMMs nothing is noted, but in DRAM, in which boot.

    :param epoch: of the region, from now on
    :param found: the NVDIMMs below the pool
    :param is_dram: whether the pool lies in DRAM, see dram.holds()
    :raises OSError: the note cannot be written
    """
    found = list(found)
    if not found and not is_dram:
        forget(pool_path, region.name)
        return
    counters = {one.id: one.dirty_shutdowns for one in found
                if one.dirty_shutdowns is not None}
    state_notes.write(
        paths.nvdimms_note(pool_path, region.name), region, epoch,
        {'boot': boot_id(), 'dirty_shutdowns': counters})


def forget(pool_path: str, name: str) -> None:
    """Remove a pVM's notes; harmless when there are none."""
    durable.remove(paths.nvdimms_note(pool_path, name))
    memory_sums.forget(pool_path, name)
    vault_losses.forget(pool_path, name)


def losses_since(pool_path: str, region: vpm.RegionInfo, epoch: int,
                 found: abc.Iterable[nvdimms.Nvdimm]) -> list[str]:
    """Say which NVDIMMs lost what was in them since the note, in words.

    :param epoch: of the state
    :param found: the NVDIMMs below the pool, as they are now
    """
    note = _read(pool_path, region, epoch)
    if note is None or note['boot'] == boot_id():
        return []
    found = list(found)
    return nvdimms.lost(found) + list(filter(None, (
        _grown(one, note['dirty_shutdowns'].get(one.id)) for one in found)))


def boot_id() -> str:
    """What is another one after each boot of the host."""
    with open(_BOOT_ID, encoding='ascii') as stream:
        return stream.read().strip()


def _grown(nvdimm: nvdimms.Nvdimm, before: Any) -> str | None:
    if not isinstance(before, int) or nvdimm.dirty_shutdowns is None or (
            nvdimm.dirty_shutdowns <= before):
        return None
    return '%s counts %d dirty shutdowns, not %d' % (
        nvdimm.name, nvdimm.dirty_shutdowns, before)


def _read(pool_path: str, region: vpm.RegionInfo,
          epoch: int) -> dict[str, Any] | None:
    """The note of a state; None if there is none, or that of another."""
    return state_notes.read(
        paths.nvdimms_note(pool_path, region.name), region, epoch,
        lambda note: {'boot': str(note['boot']),
                      'dirty_shutdowns': dict(note['dirty_shutdowns'])})
