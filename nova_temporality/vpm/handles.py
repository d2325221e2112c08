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

import os

from nova_temporality.native import _vpm
from nova_temporality.vpm import errors

ffi = _vpm.ffi
lib = _vpm.lib

NAME_MAX = lib.VPM_NAME_MAX

ERRORS = {
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
}


def new_error():
    return ffi.new('struct vpm_error *')


def fail(err):
    raise ERRORS[err.code](text(err.message))


def check(result, err):
    if result < 0:
        fail(err)
    return result


def owned(handle, close, err):
    # ffi.gc closes it when the last thread has let go of it.
    if handle == ffi.NULL:
        fail(err)
    return ffi.gc(handle, close)


def text(chars):
    return ffi.string(chars).decode('utf-8', 'replace')


def name(name):
    encoded = name.encode()
    if b'\0' in encoded:
        raise errors.InvalidArgument(
            'pVM name %r contains a NUL; use 1 to %d printable ASCII '
            'characters' % (name, NAME_MAX))
    return encoded


def number(what, value, bits):
    if not 0 <= value < 1 << bits:
        raise errors.InvalidArgument(
            '%s is %d; it must be between 0 and %d' %
            (what, value, (1 << bits) - 1))
    return value


def numbers(struct, *fields):
    return {field: getattr(struct, field) for field in fields}


def fileno(fd):
    return fd if isinstance(fd, int) else fd.fileno()


def path(chars):
    return os.fsdecode(ffi.string(chars))
