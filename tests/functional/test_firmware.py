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

"""Firmware in flash, as UEFI has it: one chip of code, one of variables."""

import json

import pytest

_FIRMWARE = '/usr/share/seabios/bios-256k.bin'
_VARIABLES = b'what the firmware keeps'.ljust(64 << 10, b'.')


@pytest.fixture
def variables(tmp_path):
    path = tmp_path / 'variables'
    path.write_bytes(_VARIABLES)
    return path


def flash(variables):
    """QEMU's arguments, in libvirt's way: nothing says how to cache."""
    arguments = ['-machine', 'pflash0=code,pflash1=variables']
    for name, path, readonly in (('code', _FIRMWARE, True),
                                 ('variables', str(variables), False)):
        arguments += ['-blockdev', json.dumps({
            'driver': 'raw', 'node-name': name, 'read-only': readonly,
            'file': {'driver': 'file', 'filename': path}})]
    return arguments


def test_variables_go_with_the_state(host, accel, variables):
    guest = host.guest(accel)
    guest.boot(*flash(variables))
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()
    # An older copy must not come back under newer memory.
    variables.write_bytes(b'older'.ljust(64 << 10, b'.'))

    guest.recover(*flash(variables))

    guest.wait_counting()
    assert guest.boots() == 1
    assert variables.read_bytes() == _VARIABLES
