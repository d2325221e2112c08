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

"""What blocks a fixation is found while power is good."""

import dataclasses

import pytest

from nova_temporality.host import nvdimms
from nova_temporality.notifier.pvm import blockers
from nova_temporality import vpm
from tests.framework import fake_qmp


def disk(ro=False, **cache):
    return [{'device': '', 'qdev': 'cdrom'}, {
        'device': '', 'qdev': 'virtio0', 'inserted': {
            'node-name': 'disk', 'ro': ro, 'cache': dict(
                {'writeback': True, 'direct': True, 'no-flush': False},
                **cache)}}]


def check_disks(found, paged):
    return blockers.disks(found, paged)


def blocked_reasons(**reply):
    return blockers.blocked_reasons(reply)


@pytest.mark.parametrize('found', [
    disk(), disk(writeback=False), disk(writeback=False, direct=False),
    disk(ro=True, direct=False), []])
def test_safe_disks(found):
    assert check_disks(found, False) is None


@pytest.mark.parametrize('found, paged, said', [
    (disk(direct=False), False, 'cache=writeback'),
    (disk(**{'no-flush': True}), False, 'cache=unsafe'),
    (disk(), True, 'direct I/O'),
    (disk(direct=False), True, 'cache=writeback')])
def test_unsafe_disks(found, paged, said):
    reason, remedy = check_disks(found, paged)
    assert 'virtio0' in reason and said in reason
    assert ('writethrough' in remedy) == paged


def flash(size, qdev='/machine/system.flash1', **cache):
    _cdrom, found = disk(direct=False, **cache)
    found['qdev'] = qdev
    found['inserted']['image'] = {'virtual-size': size}
    return [found]


@pytest.mark.parametrize('paged', [False, True])
@pytest.mark.parametrize('found, safe', [
    (flash(528 << 10), True),
    (flash(528 << 10, **{'no-flush': True}), False),
    (flash(17 << 20), False),
    (flash(528 << 10, '/machine/peripheral/system.flash1'), False)])
def test_flash(found, safe, paged):
    assert (check_disks(found, paged) is None) == safe


def test_paged_memory_takes_buffered_writes():
    assert check_disks(disk(writeback=False, direct=False), True) is None


@pytest.mark.parametrize('room, largest, fits', [
    (17 << 20, 0, True), ((17 << 20) - 1, 0, False),
    (32 << 20, 33 << 20, False)])
def test_state_size(room, largest, fits):
    found = blockers.state_size(fake_qmp.BLOCKS, room, largest)
    assert (found is None) == fits


def test_blocked_reasons():
    assert blocked_reasons(**{'blocked-reasons': ['a', 'b']})[0] == 'a; b'
    assert blocked_reasons() is None


def test_swap():
    sound = vpm.RegionStats(1, 2, 3, 4, 5, 6, 7, False, None)
    assert blockers.swap(sound) is None
    reason, remedy = blockers.swap(dataclasses.replace(
        sound, error='a page could not be written'))
    assert reason == 'a page could not be written'
    assert 'swap_dir' in remedy


def test_nvdimms():
    armed = nvdimms.Nvdimm('nmem0', 'a', losses=('lost before',))
    assert blockers.nvdimms([armed]) is None
    reason, remedy = blockers.nvdimms(
        [armed, nvdimms.Nvdimm('nmem1', 'b', is_armed=False)])
    assert 'nmem1' in reason and 'nmem0' not in reason
    assert 'ndctl' in remedy
