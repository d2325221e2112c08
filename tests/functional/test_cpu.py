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

"""A state is only loaded where its vCPUs can do what they could."""

import pytest

from nova_temporality.privsep import cpus
from nova_temporality.qemu import incoming
from tests.framework import machine


@pytest.fixture
def guest(host, accel):
    """It was fixated, and has seen MMX."""
    guest = host.guest(accel)
    guest.boot('-cpu', 'qemu64,+mmx')
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()
    return guest


def check(guest, model):
    guest.start('-incoming', 'defer', '-cpu', model)
    with guest.monitor() as monitor:
        cpus.check(monitor, guest.pool, guest.region, machine.PATIENCE)


def test_cpu_that_has_lost_a_feature(guest):
    with pytest.raises(incoming.RecoveryError, match=': mmx'):
        check(guest, 'qemu64,-mmx')
    assert guest.proven()


def test_cpu_that_can_do_more(guest):
    check(guest, 'qemu64,+mmx,+mmxext')
    guest.load()
    guest.run_on()
    guest.wait_counting()
