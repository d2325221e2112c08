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

"""What is not proven, or does not fit, is never resumed."""

import pytest

from nova_temporality.qemu import incoming
from nova_temporality import vpm
from tests.framework import machine


def flip_first_stream_byte(state):
    state[state.index(b'QEVM')] ^= 1


def cut_stream(state):
    end = len(state.rstrip(b'\0'))
    state[end - 4096:end] = bytes(4096)


def cut_file(state):
    del state[4096:]


def empty_file(state):
    del state[:]


@pytest.mark.parametrize('damage', [flip_first_stream_byte, cut_stream,
                                    cut_file, empty_file])
def test_damaged_state_is_not_loaded(host, damage):
    guest, _ = host.fixated()
    with open(guest.state_path(), 'rb') as f:
        state = bytearray(f.read())
    damage(state)
    with open(guest.state_path(), 'wb') as f:
        f.write(state)
    assert_refused(guest)


def test_every_page_of_a_state_counts(host):
    guest, _ = host.fixated()
    with open(guest.state_path(), 'r+b') as f:
        state = f.read()
        for offset in range(100, len(state.rstrip(b'\0')), 4096):
            f.seek(offset)
            f.write(bytes([state[offset] ^ 0x10]))
            f.flush()
            assert not guest.proven(), offset
            f.seek(offset)
            f.write(state[offset:offset + 1])
            f.flush()
    assert guest.proven()


def test_state_of_earlier_epoch_is_not_loaded(host):
    guest, _ = host.fixated()
    with open(guest.state_path(), 'rb') as f:
        old = f.read()
    guest.recover()
    guest.wait_counting()
    guest.kill()
    assert_refused(guest)
    with open(guest.state_path(), 'r+b') as f:
        f.write(old)
    assert_refused(guest)


def test_state_of_other_guest_is_not_loaded(host):
    (guest, _), (other, _) = host.fixated(), host.fixated()
    with open(other.state_path(), 'rb') as f:
        state = f.read()
    with open(guest.state_path(), 'r+b') as f:
        f.write(state)
    assert_refused(guest)


def assert_refused(guest):
    guest.start('-incoming', 'defer')
    with guest.monitor() as monitor:
        with pytest.raises(vpm.Unproven) as e:
            incoming.load_state(monitor, guest.pool, guest.region,
                                machine.PATIENCE)
        assert str(e.value)
        assert monitor.command('query-status')['status'] == 'inmigrate'
    guest.kill()


# It gives up at the first bytes, or at the last ones.
@pytest.mark.parametrize('machine_type, vga', [('q35', False), ('pc', True)])
def test_qemu_that_differs_does_not_load(host, machine_type, vga):
    guest, _ = host.fixated()
    guest.start('-incoming', 'defer', '-machine', machine_type, vga=vga)
    with pytest.raises(incoming.RecoveryError) as e:
        guest.load()
    assert 'QEMU cannot load' in str(e.value)
    assert guest.proven()
    guest.kill()

    # The state is still good for the right QEMU.
    guest.recover()
    guest.wait_counting()


def test_qemu_that_runs_does_not_load(host):
    guest, _ = host.fixated()
    guest.start()
    with pytest.raises(incoming.RecoveryError) as e:
        guest.load()
    assert '-incoming defer' in str(e.value)


def test_qemu_that_hangs_does_not_load(host):
    guest, _ = host.fixated()
    guest.start('-incoming', 'defer')
    with guest.monitor() as monitor:
        guest.hang()
        with pytest.raises(incoming.RecoveryError) as e:
            incoming.load_state(monitor, guest.pool, guest.region, 0.2)
    assert 'in time' in str(e.value)
    assert guest.proven()
