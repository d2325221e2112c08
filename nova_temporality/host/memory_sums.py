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

"""Whether a reboot has left the memory of a pVM alone, where NVRAM is DRAM.

Firmware may clear or use DRAM when a host is rebooted, and DRAM that was
without power for a moment keeps most of its bits. A state would still prove
itself, and its memory would be another one. So a checksum of the memory is
noted, durably, before the host is rebooted as planned, and compared once after
each boot. Where there is none, the reboot was not planned, or was a power cut.
"""

import contextlib
import errno
import hashlib
import os
from typing import Any

from nova_temporality.host import durable
from nova_temporality.host import paths
from nova_temporality.host import state_notes
from nova_temporality import vpm

_CHUNK = 1 << 20

_CHANGED = ('its memory is ordinary DRAM and is not what it was before the '
            'host was rebooted; firmware may clear it, or use it')
_NOT_PLANNED = ('its memory is ordinary DRAM, and the host was not rebooted '
                'by "temporality fixate --for-reboot", or lost its power')


def take(pool_path: str, region: vpm.RegionInfo, epoch: int,
         boot: str) -> None:
    """Note the checksum of a pVM's memory, which nobody changes any more.

    What CPU caches have of it is written back.

    :param epoch: of its state
    :param boot: id of this boot
    :raises OSError: it cannot be read, or the note not be written
    """
    _write(pool_path, region, epoch, {'sum': _sum(region, write_back=True),
                                      'boot': boot})


def damage(pool_path: str, region: vpm.RegionInfo, epoch: int,
           boot: str) -> str | None:
    """Why a state of an earlier boot does not fit its memory; None if it does.

    After each boot the first call reads all of the memory.

    :param epoch: of the state
    :param boot: id of this boot
    """
    note = state_notes.read(
        paths.memory_sum(pool_path, region.name), region, epoch,
        lambda note: {'sum': str(note['sum']), 'boot': str(note['boot'])})
    if note is None:
        return _NOT_PLANNED
    if note['boot'] != boot:
        try:
            if _sum(region) != note['sum']:
                return _CHANGED
        except OSError as e:
            return 'its memory cannot be read: %s' % e
        # Without it the next call would only read it once more.
        with contextlib.suppress(OSError):
            _write(pool_path, region, epoch, dict(note, boot=boot))
    return None


def forget(pool_path: str, name: str) -> None:
    """Remove a pVM's note; harmless when there is none."""
    durable.remove(paths.memory_sum(pool_path, name))


def _files(region: vpm.RegionInfo) -> list[str]:
    """What a pVM's memory consists of in NVRAM."""
    return [region.ram_path] + (
        [os.path.join(region.directory, 'ppt')] if region.is_vpm else [])


def _sum(region: vpm.RegionInfo, write_back: bool = False) -> str:
    made = hashlib.blake2b()
    for path in _files(region):
        # They belong to the server's user id, whose lease could have us wait.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW |
                     os.O_NONBLOCK)
        with open(fd, 'rb', buffering=0) as stream:
            if os.fstat(fd).st_size > region.memory_size:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
            if write_back:
                os.fsync(fd)
            while chunk := stream.read(_CHUNK):
                made.update(chunk)
    return made.hexdigest()


def _write(pool_path: str, region: vpm.RegionInfo, epoch: int,
           note: dict[str, Any]) -> None:
    state_notes.write(paths.memory_sum(pool_path, region.name), region, epoch,
                      note)
