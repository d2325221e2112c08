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

"""Memory, disk and network of a guest that has few of its pages in NVRAM.

All pages that devices read and write may be swapped out at that moment, or
become so. The guest checks every byte that comes back. VPM_SECONDS makes each
of these tests last at least so long.
"""

import os
import time

import pytest


def _seconds():
    given = os.environ.get('VPM_SECONDS', '0')
    if not given.isdecimal():
        raise pytest.Collector.CollectError(
            "VPM_SECONDS is '%s'; give it a whole number of seconds, such as "
            '3600' % given)
    return int(given)


SECONDS = _seconds()

# At least; KVM may have to emulate every instruction.
PAGES_OUT = {'tcg': 100000, 'kvm': 3000}
FRAMES = {'tcg': 1000, 'kvm': 500}
DISK_READS = {'tcg': 500, 'kvm': 100}


def traffic(guest, accel):
    """Let a guest run until it has checked enough of everything."""
    since = time.monotonic()

    def enough(report, stats):
        return (stats.swap_outs >= PAGES_OUT[accel] and
                stats.swap_ins >= PAGES_OUT[accel] and
                report.frames_received >= FRAMES[accel] and
                report.disk_reads >= DISK_READS[accel] and
                time.monotonic() >= since + SECONDS)
    guest.run_until(enough)


@pytest.mark.parametrize('policy', ['fifo', 's3fifo'])
def test_nothing_is_mixed_up(host, accel, policy):
    guest = host.vpm_guest(accel, percent=40, policy=policy)
    guest.boot()
    traffic(guest, accel)
    assert guest.stats().in_memory <= guest.region.size


def test_nothing_is_mixed_up_with_a_real_disk(host, accel, tmp_path):
    """The swap file, and the guest's disk with cache=writethrough."""
    guest = host.vpm_guest(accel, percent=40, directory=tmp_path)
    guest.disk_device += ',write-cache=off'
    guest.boot()
    traffic(guest, accel)
