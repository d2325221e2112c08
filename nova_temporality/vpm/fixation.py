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

"""Writing one region's state file, at the event."""

import dataclasses
from typing import Any
from typing import Self

from nova_temporality.vpm import errors
from nova_temporality.vpm import handles

_ffi = handles.ffi
_lib = handles.lib


@dataclasses.dataclass(frozen=True)
class FixationMeta:
    """What the notifier knows about a fixation (see vpm_fixation_meta)."""

    wall_ns: int = 0
    signal_ns: int = 0
    stopped_ns: int = 0
    saved_ns: int = 0
    runstate: str = ''
    producer: str = ''


class Fixation:
    """One region's state file, ready for the event; a context manager."""

    def __init__(self, pool_handle: Any, id: int) -> None:
        err = handles.new_error()
        self._pool_handle = pool_handle
        self._handle = handles.owned(
            _lib.vpm_fixation_open(pool_handle, id, err),
            _lib.vpm_fixation_close, err)
        self.id = id

    def close(self) -> None:
        """Give the handle up; harmless when done already."""
        self._handle = None
        self._pool_handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def begin(self) -> None:
        """Start; raise AlreadyFixated if a proven state is there."""
        self._call(_lib.vpm_fixation_begin)

    def receive(self, fd: int | handles.HasFileno,
                deadline_ns: int = 0) -> None:
        """Read a socket or pipe to its end into the state file.

        :param fd: a file descriptor, or an object with fileno()
        :param deadline_ns: of time.monotonic_ns(); 0 is none
        """
        self._call(_lib.vpm_fixation_receive, handles.fileno(fd),
                   handles.number('deadline_ns', deadline_ns, 64))

    def commit(self, meta: FixationMeta) -> int:
        """Persist stream and header, then the marker.

        :returns: time.monotonic_ns() when the marker was durable
        """
        persisted = _ffi.new('uint64_t *')
        self._call(_lib.vpm_fixation_commit, _meta(meta), persisted)
        return persisted[0]

    def _call(self, function: Any, *args: Any) -> int:
        pool_handle, handle = self._pool_handle, self._handle
        if pool_handle is None or handle is None:
            raise ValueError('fixation of region %016x is closed' % self.id)
        err = handles.new_error()
        return handles.check(function(handle, *args, err), err)


def _meta(meta: FixationMeta) -> Any:
    fields = dataclasses.asdict(meta)
    for field in ('runstate', 'producer'):
        fields[field] = fields[field].encode()
        if len(fields[field]) > _lib.VPM_RUNSTATE_MAX:
            raise errors.InvalidArgument('%s %r is longer than %d bytes' % (
                field, getattr(meta, field), _lib.VPM_RUNSTATE_MAX))
    return _ffi.new('struct vpm_fixation_meta *', fields)
