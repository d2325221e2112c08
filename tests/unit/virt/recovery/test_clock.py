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

"""The host's clock."""

import subprocess
import time
from unittest import mock

from nova_temporality.host import clock as host_clock
from nova_temporality.virt.recovery import clock


def test_as_the_kernel_says():
    # bit 6 of the status is STA_UNSYNC
    status = subprocess.run(
        ['python3', '-c', '''
import ctypes
timex = (ctypes.c_ubyte * 512)()
state = ctypes.CDLL(None).ntp_adjtime(timex)
status = ctypes.c_int.from_buffer(timex, 40).value
print(state != 5 and not status & 64)'''],
        stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    assert str(host_clock.is_synchronised()) == status


def test_waits_until_it_is_synchronised():
    with mock.patch.object(host_clock, 'is_synchronised',
                           side_effect=[False, False, True]) as asked, \
            mock.patch.object(time, 'sleep') as sleep:
        assert clock.wait_synchronised(time.monotonic() + 100)
    assert asked.call_count == 3
    assert sleep.call_count == 2


def test_does_not_wait_for_ever():
    with mock.patch.object(host_clock, 'is_synchronised',
                           return_value=False), \
            mock.patch.object(time, 'sleep') as sleep:
        assert not clock.wait_synchronised(time.monotonic() - 1)
    assert not sleep.called


NOW = clock.Instant(wall_ns=2_000_000_000_000_000_000,
                    monotonic_ns=5_000_000_000_000)
HOUR = 3_600_000_000_000


def problem(synchronised, since):
    with mock.patch.object(host_clock, 'is_synchronised',
                           return_value=synchronised), \
            mock.patch.object(time, 'time_ns', return_value=NOW.wall_ns), \
            mock.patch.object(time, 'monotonic_ns',
                              return_value=NOW.monotonic_ns):
        return clock.problem(since)


def test_guests_follow_a_clock_that_is_synchronised():
    before_the_boot = clock.Instant(NOW.wall_ns - HOUR, 9 * HOUR)
    assert problem(True, before_the_boot) is None
    assert problem(True, None) is None


def test_guests_are_not_set_back():
    ahead = clock.Instant(NOW.wall_ns + HOUR, 9 * HOUR)
    assert 'behind' in problem(True, ahead)


def test_guests_do_not_follow_a_clock_that_was_set_by_the_boot():
    before_the_boot = clock.Instant(NOW.wall_ns - HOUR, 9 * HOUR)
    assert 'not synchronised' in problem(False, before_the_boot)
    assert 'not synchronised' in problem(False, None)
    # It says 1970, or what somebody typed.
    ahead = clock.Instant(NOW.wall_ns + HOUR, NOW.monotonic_ns - HOUR)
    assert 'not synchronised' in problem(False, ahead)


def test_guests_follow_a_clock_that_ran_on_since():
    same_boot = clock.Instant(NOW.wall_ns - HOUR, NOW.monotonic_ns - HOUR)
    assert problem(False, same_boot) is None
    assert problem(False, NOW) is None
