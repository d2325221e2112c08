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

"""What became of pVMs in outages, and the pool's ring that keeps it."""

from collections import abc
import dataclasses
from typing import Any

from nova_temporality.vpm import handles
from nova_temporality.vpm import pool as pool_module

_ffi = handles.ffi
_lib = handles.lib

ROUTES: dict[str, int] = {'migrate': _lib.VPM_ROUTE_MIGRATE,
                          'snapshot': _lib.VPM_ROUTE_SNAPSHOT}
_ROUTE_NAMES = {number: name for name, number in ROUTES.items()}

FIXATED = 'fixated'
SKIPPED = 'skipped'
FAILED = 'failed'
_RESULTS = {FIXATED: _lib.VPM_RESULT_FIXATED,
            SKIPPED: _lib.VPM_RESULT_SKIPPED,
            FAILED: _lib.VPM_RESULT_FAILED}
_RESULT_NAMES = {number: name for name, number in _RESULTS.items()}

_NUMBERS = ('wall_ns', 'signal_ns', 'command_ns', 'stopped_ns', 'stream_ns',
            'saved_ns', 'fixated_ns', 'region', 'length', 'pid')


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one pVM in an outage (see vpm_outcome)."""

    name: str
    result: str
    sequence: int = 0
    wall_ns: int = 0
    signal_ns: int = 0
    command_ns: int = 0
    stopped_ns: int = 0
    stream_ns: int = 0
    saved_ns: int = 0
    fixated_ns: int = 0
    region: int = 0
    length: int = 0
    route: str = 'migrate'
    pid: int = 0
    runstate: str = ''
    raised_by: tuple[str, ...] = ()
    reason: str = ''


def to_native(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of libvpm's struct."""
    return dict(
        {field: getattr(outcome, field) for field in _NUMBERS},
        result=_RESULTS[outcome.result], route=ROUTES[outcome.route],
        name=outcome.name.encode(), runstate=outcome.runstate.encode(),
        raised_by=join(outcome.raised_by),
        reason=_cut(outcome.reason, _lib.VPM_REASON_MAX))


def read(pool: pool_module.Pool) -> list[Outcome]:
    """Return all Outcomes in a pool's ring, the oldest first."""
    native = _ffi.new('struct vpm_outcome[]', _lib.VPM_OUTCOMES_MAX)
    found = _lib.vpm_outcome_list(pool.handle(), native,
                                  _lib.VPM_OUTCOMES_MAX)
    return [from_native(native[i]) for i in range(found)]


def from_native(native: Any) -> Outcome:
    """Make an Outcome of libvpm's struct."""
    return Outcome(
        name=handles.text(native.name),
        result=_RESULT_NAMES.get(native.result, 'unknown'),
        sequence=native.sequence,
        route=route_name(native.route),
        runstate=handles.text(native.runstate),
        raised_by=split(native.raised_by),
        reason=handles.text(native.reason),
        **{field: getattr(native, field) for field in _NUMBERS})


def route_name(number: int) -> str:
    """Return the key of ROUTES for a number of libvpm's."""
    return _ROUTE_NAMES.get(number, 'unknown')


def join(names: abc.Iterable[str]) -> bytes:
    """As many names as there is room for."""
    text = ','.join(names).encode('ascii', 'replace')
    if len(text) > _lib.VPM_RAISED_BY_MAX:
        text = text[:_lib.VPM_RAISED_BY_MAX + 1].rpartition(b',')[0]
    return text


def split(names: Any) -> tuple[str, ...]:
    """The opposite of join()."""
    return tuple(filter(None, handles.text(names).split(',')))


def _cut(text: str, size: int) -> bytes:
    return text.encode()[:size].decode('utf-8', 'ignore').encode()
