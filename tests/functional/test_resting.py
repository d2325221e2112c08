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

"""An armed pVM rests: only what happens to it has it looked at."""

import pytest

from tests.framework import machine

DAY_MS = 86400000


def is_told(notifier, guest, state):
    """Wait until the notifier says so, without having it look."""
    def said():
        pvms = {one['name']: one for one in notifier.call('status')['pvms']}
        return pvms[guest.name]['state'] == state and pvms[guest.name]
    return machine.wait_for(said, state)


@pytest.fixture
def rest(host):
    """Make a guest that is armed, and was as it had been at the next look."""
    def make(scan_ms):
        host.configure(scan_ms=scan_ms)
        guest, notifier = host.booted(), host.notifier()
        notifier.start()
        for _ in range(2):
            assert notifier.state(guest) == 'armed'
        return guest, notifier
    return make


def test_end_of_qemu(rest):
    guest, notifier = rest(DAY_MS)
    guest.kill()
    is_told(notifier, guest, 'off')


def test_end_of_the_engine(rest, host):
    guest, notifier = rest(DAY_MS)
    host.engine.kill()
    assert 'systemctl start' in is_told(notifier, guest,
                                        'not armed')['reason']
    host.engine.ensure(host.config_file)
    is_told(notifier, guest, 'armed')


def test_new_disk_is_asked_for(rest, tmp_path):
    """QEMU has no event for that."""
    guest, notifier = rest(200)
    image = tmp_path / 'new.img'
    image.write_bytes(bytes(1 << 20))
    with guest.monitor() as monitor:
        monitor.command('blockdev-add', {
            'driver': 'raw', 'node-name': 'new',
            'file': {'driver': 'file', 'filename': str(image)}})
        monitor.command('device_add', {
            'driver': 'virtio-blk-pci', 'id': 'new', 'drive': 'new'})
    assert 'cache=writeback' in is_told(notifier, guest,
                                        'not armed')['reason']


def test_stopped_from_outside(rest):
    guest, notifier = rest(200)
    with guest.monitor() as monitor:
        monitor.command('stop')
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    notifier.call('resume')
    # It was not the notifier that stopped it.
    assert guest.stands_still()
