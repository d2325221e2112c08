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
import pathlib

import pytest

from nova_temporality.host import nvdimms
from nova_temporality.notifier.pvm import blockers
from nova_temporality.notifier.pvm import conditions
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
    reason, remedy, code = check_disks(found, paged)
    assert code == 'DISK_CACHE'
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
    assert (found and found.code) == (None if fits else 'STATE_SIZE')


def test_blocked_reasons():
    found = blocked_reasons(**{'blocked-reasons': ['a', 'b']})
    assert (found.reason, found.code) == ('a; b', 'MIGRATION_BLOCKED')
    assert blocked_reasons() is None


def test_swap():
    sound = vpm.RegionStats(1, 2, 3, 4, 5, 6, 7, False, None)
    assert blockers.swap(sound) is None
    reason, remedy, code = blockers.swap(dataclasses.replace(
        sound, error='a page could not be written'))
    assert reason == 'a page could not be written'
    assert 'swap_dir' in remedy
    assert code == 'SWAP'


def test_nvdimms():
    armed = nvdimms.Nvdimm('nmem0', 'a', losses=('lost before',))
    assert blockers.nvdimms([armed]) is None
    reason, remedy, code = blockers.nvdimms(
        [armed, nvdimms.Nvdimm('nmem1', 'b', is_armed=False)])
    assert 'nmem1' in reason and 'nmem0' not in reason
    assert 'ndctl' in remedy
    assert code == 'NVDIMM_NOT_ARMED'


def test_each_code_has_its_cause():
    """None is only told of."""
    told = ''.join(path.read_text(encoding='utf-8') for path in
                   pathlib.Path(blockers.__file__).parent.glob('*.py')
                   if path.name != 'conditions.py')
    assert [code for code in conditions.CODES if code != conditions.ERROR and
            'conditions.' + code not in told] == []
