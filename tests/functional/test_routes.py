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


"""A recovered machine is complete, whichever way its state was written."""

import pytest

from nova_temporality.qemu import route
from tests.framework import machine

# Where display.S says that something is not as it was.
_WRONG = 0x900c
# Where it is told to spoil the screen.
_DRAW = 0x9010


@pytest.mark.parametrize('program, expected', [
    (None, route.MIGRATE),
    ([machine.NOTIFIER_AT, 'snapshot-route'], route.SNAPSHOT)])
def test_display_and_option_rom_come_back(host, tmp_path, accel, program,
                                          expected):
    guest = host.guest(accel)
    guest.image.write_bytes(
        machine.assemble('display', tmp_path).ljust(1 << 20, b'\0'))
    guest.boot(vga=True)
    notifier = host.notifier(program)
    notifier.protect(guest)
    assert notifier.pvm(guest.name)['route'] == expected
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    host.power_cut()

    assert not is_wrong(guest)
    assert guest.recover(vga=True).meta.runstate == 'running'
    rounds(guest, 2)
    assert not is_wrong(guest)
    # It would notice.
    guest.poke(_DRAW, b'X')
    machine.wait_for(lambda: is_wrong(guest), 'the guest notices')


def rounds(guest, number):
    """Let it go over all that it looks at, so many times."""
    goal = guest.counter() + number
    machine.wait_for(lambda: guest.counter() > goal, 'rounds')


def is_wrong(guest):
    return guest.peek(_WRONG, 2) != bytes(2)
