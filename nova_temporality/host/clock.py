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

"""Whether the host's clock can be relied on."""

import ctypes

# ntp_gettime(3) returns it while nobody keeps the clock synchronised.
_TIME_ERROR = 5

_libc = ctypes.CDLL(None)


class _NtpTimeval(ctypes.Structure):
    # struct ntptimeval of <sys/timex.h>
    _fields_ = [('time', ctypes.c_long * 2), ('maxerror', ctypes.c_long),
                ('esterror', ctypes.c_long), ('tai', ctypes.c_long),
                ('reserved', ctypes.c_long * 4)]


def is_synchronised() -> bool:
    """Whether the kernel knows that somebody keeps the clock right."""
    return _libc.ntp_gettime(ctypes.byref(_NtpTimeval())) not in (
        -1, _TIME_ERROR)
