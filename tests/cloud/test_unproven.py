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

"""States that are not proven are never resumed, in the real cloud."""

import os
import re
import shutil

from pocketcloud import client
from pocketcloud import host

from tests.cloud import helpers

REASONS = {
    'flipped': 'checksum',
    'cut': 'bytes',
    'unmarked': 'marker',
    'stale': 'epoch',
}


def _flip(path, _old):
    with open(path, 'r+b') as state:
        state.seek(4096 + 1000)
        byte = state.read(1)
        state.seek(4096 + 1000)
        state.write(bytes([byte[0] ^ 1]))


def _cut(path, _old):
    os.truncate(path, 4096 + 1000)


def _unmark(path, _old):
    # the marker has the header's last cache line to itself
    with open(path, 'r+b') as state:
        state.seek(4096 - 64)
        state.write(bytes(64))


def _reuse(path, old):
    shutil.copyfile(old, path)


DAMAGES = {'flipped': _flip, 'cut': _cut, 'unmarked': _unmark,
           'stale': _reuse}


def test_damaged_and_old_states(servers, tmp_path):
    names = [*DAMAGES, 'sound']
    for name in names:
        helpers.create(servers, name, '--property', 'persistent=true')
    uuids = {name: client.wait_status(name, 'ACTIVE')['id']
             for name in names}
    helpers.wait_pvms(uuids.values(), 'armed')

    # a fixation that is called off leaves an old state
    assert all(pvm['Result'] == 'fixated'
               for pvm in client.temporality('fixate'))
    old = tmp_path / 'old-state'
    shutil.copyfile(helpers.state_file(uuids['stale']), old)
    assert all(pvm['Result'] == 'resumed'
               for pvm in client.temporality('resume'))
    helpers.wait_pvms(uuids.values(), 'armed')

    helpers.power_fails(uuids.values())
    host.power_cut()
    for name, damage in DAMAGES.items():
        damage(helpers.state_file(uuids[name]), old)
    helpers.boot()

    helpers.wait_pvms([uuids['sound']], 'armed')
    assert client.show('sound')['status'] == 'ACTIVE'
    for name, reason in REASONS.items():
        fault = helpers.wait_error(name)
        assert 'No proven state' in fault, (name, fault)
        assert re.search(reason, fault), (name, fault)
        region = helpers.regions()[uuids[name]]
        assert helpers.qemu_pids(region) == []
    assert len(helpers.qemu_pids(helpers.regions()[uuids['sound']])) == 1

    client.run('openstack', 'server', 'reboot', '--hard', 'flipped')
    helpers.wait_healed('flipped')
    helpers.wait_pvms([uuids['flipped']], 'armed')
