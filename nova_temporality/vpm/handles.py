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

"""What all bindings of libvpm share: its handles, errors and types in C.

For the modules of this package.
"""

from collections import abc
import os
from typing import Any
from typing import NoReturn
from typing import Protocol

from nova_temporality.native import _vpm
from nova_temporality.vpm import errors

# cffi has no types for what it makes.
ffi: Any = _vpm.ffi
lib: Any = _vpm.lib

NAME_MAX: int = lib.VPM_NAME_MAX

ERRORS: dict[int, type[errors.VpmError]] = {
    lib.VPM_EINVAL: errors.InvalidArgument,
    lib.VPM_ENOENT: errors.NotFound,
    lib.VPM_EEXIST: errors.AlreadyExists,
    lib.VPM_ENOSPC: errors.PoolFull,
    lib.VPM_ECOLLISION: errors.IdCollision,
    lib.VPM_ECORRUPT: errors.PoolCorrupt,
    lib.VPM_EFOREIGN: errors.ForeignPool,
    lib.VPM_EVERSION: errors.NewerVersion,
    lib.VPM_EUNPROVEN: errors.Unproven,
    lib.VPM_EFIXATED: errors.AlreadyFixated,
    lib.VPM_ETIMEDOUT: errors.DeadlineExceeded,
    lib.VPM_ESYS: errors.SystemCallFailed,
    lib.VPM_EMEDIUM: errors.WrongMedium,
    lib.VPM_EVAULT: errors.VaultUnavailable,
}


class HasFileno(Protocol):
    """What a file descriptor belongs to."""

    def fileno(self) -> int:
        """Return it."""


def new_error() -> Any:
    """Return room for what a call fails with."""
    return ffi.new('struct vpm_error *')


def fail(err: Any) -> NoReturn:
    """Raise what a call failed with."""
    raise ERRORS[err.code](text(err.message))


def check(result: int, err: Any) -> int:
    """Return what a call returned, unless it failed: that is raised."""
    if result < 0:
        fail(err)
    return result


def owned(handle: Any, close: abc.Callable[[Any], None], err: Any) -> Any:
    """Return a handle that a call returned, to be closed with its owner.

    :raises VpmError: the call failed
    """
    # ffi.gc closes it when the last thread has let go of it.
    if handle == ffi.NULL:
        fail(err)
    return ffi.gc(handle, close)


def text(chars: Any) -> str:
    """Return a text of C's."""
    return ffi.string(chars).decode('utf-8', 'replace')


def name(name: str) -> bytes:
    """Return a pVM's name for C.

    :raises InvalidArgument: it has what would end it there
    """
    encoded = name.encode()
    if b'\0' in encoded:
        raise errors.InvalidArgument(
            'pVM name %r contains a NUL; use 1 to %d printable ASCII '
            'characters' % (name, NAME_MAX))
    return encoded


def number(what: str, value: int, bits: int) -> int:
    """Return a number for C.

    :param what: it is called
    :param bits: that C has for it
    :raises InvalidArgument: that is not enough
    """
    if not 0 <= value < 1 << bits:
        raise errors.InvalidArgument(
            '%s is %d; it must be between 0 and %d' %
            (what, value, (1 << bits) - 1))
    return value


def numbers(struct: Any, *fields: str) -> dict[str, Any]:
    """Return fields of a struct by their names."""
    return {field: getattr(struct, field) for field in fields}


def fileno(fd: int | HasFileno) -> int:
    """Return a file descriptor."""
    return fd if isinstance(fd, int) else fd.fileno()


def path(chars: Any) -> str:
    """Return a path of C's."""
    return os.fsdecode(ffi.string(chars))
