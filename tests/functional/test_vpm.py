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

"""Stock QEMU with more memory than NVRAM, by the preloaded pager."""

import pytest

from nova_temporality import vpm
from tests.framework import machine


@pytest.mark.parametrize('percent', [25, 60])
@pytest.mark.parametrize('policy', ['fifo', 's3fifo'])
def test_guest_has_all_its_memory(host, accel, percent, policy):
    guest = host.vpm_guest(accel, percent=percent, policy=policy)
    guest.boot()
    pages = guest.region.virtual_size // guest.region.page_size
    guest.run_until(lambda _, stats: stats.swap_ins > pages / 2 and
                    stats.swap_outs > pages / 2)
    stats = guest.stats()
    assert stats.in_memory <= guest.region.size
    # A quarter is the devices', who touch pages of it at random.
    assert (stats.in_memory + stats.in_swap >
            guest.region.virtual_size * 2 / 3)


def test_guest_survives_power_cuts_in_the_midst_of_swapping(host, accel):
    guest = host.vpm_guest(accel, percent=40)
    guest.boot()
    for _ in range(3):
        notifier = host.notifier()
        notifier.protect(guest)
        report = notifier.power_fails()
        host.power_cut()
        assert machine.outcome(report, guest)['result'] == 'fixated'
        # Memory is not in the stream.
        assert machine.outcome(report, guest)['state_size'] < 2 << 20
        assert vpm.check(host.pool.path) == []
        guest.recover()
        guest.run_steps(2000)
    assert guest.boots() == 1
    assert guest.capabilities() == set()


def test_guest_in_sandbox_of_its_own_user(users_host, accel):
    if accel == 'kvm':
        pytest.skip('its user may not open /dev/kvm')
    guest = users_host.vpm_guest()
    guest.boot(user=guest.region.uid)
    notifier = users_host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    users_host.power_cut()
    guest.recover(user=guest.region.uid)
    guest.run_steps(2000)
    assert guest.boots() == 1
