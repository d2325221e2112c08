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


"""Which way a state is written, and what is in the way of it."""

import dataclasses

import pytest

from nova_temporality.notifier.pvm import blockers
from nova_temporality.qemu import qmp
from nova_temporality.qemu import route
from nova_temporality import vpm

GIB = 1 << 30

BLOCKS = """\
              Block Name    PSize              Offset               Used \
             Total                HVA  RO
                   nvram    4 KiB  0x0000000000000000 0x0000000010000000 \
0x0000000010000000 0x00007eff6ffff000  rw
                            4 KiB  0x0000000010000000 0x0000000010000000 \
0x0000000010000000 0x00007eff5fc00000  rw
   0000:00:02.0/vga.vram    4 KiB  0x0000000020080000 0x0000000001000000 \
0x0000000001000000 0x00007effc4800000  rw
                 pc.bios    4 KiB  0x0000000020000000 0x0000000000040000 \
0x0000000000040000 0x00007effc5c00000  ro
"""
NO_DISPLAY = ''.join(line for line in BLOCKS.splitlines(True)
                     if 'vga' not in line)


class FakeQemu:
    """Answers commands; what is an exception is raised."""

    connected = True

    def __init__(self, **answers):
        self._answers = answers
        self.commands = []

    def command(self, name, args=None, timeout=None):
        self.commands.append((name, args))
        if name == 'migrate-set-capabilities':
            one = args['capabilities'][0]
            name += ' ' + one['capability'] if one['state'] else ''
        answer = self._answers.get(name.replace('-', '_').replace(' ', '_'))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def left_on(self):
        """Capabilities that are on in the end."""
        states = {}
        for name, args in self.commands:
            if name == 'migrate-set-capabilities':
                states.update({one['capability']: one['state']
                               for one in args['capabilities']})
        return {name for name, state in states.items() if state}


def qemu(blocks, kvm=True, **answers):
    return FakeQemu(query_kvm={'enabled': kvm},
                    human_monitor_command=blocks, **answers)


class TestRoute:

    @pytest.mark.parametrize('blocks, gib, expected', [
        (NO_DISPLAY, 1, route.MIGRATE),
        (NO_DISPLAY, 16, route.SNAPSHOT),
        (BLOCKS, 16, route.MIGRATE),
        (BLOCKS, 1024, route.SNAPSHOT)])
    def test_faster_one_is_chosen(self, blocks, gib, expected):
        one = qemu(blocks)
        assert route.choose(one, gib * GIB, 1) == (expected, None)
        assert one.left_on() == set()

    def test_without_kvm_nothing_grows_with_memory(self):
        one = qemu(NO_DISPLAY, kvm=False)
        assert route.choose(one, 1024 * GIB, 1) == (route.MIGRATE, None)

    def test_reason_for_the_slower_one_is_told(self):
        one = qemu(NO_DISPLAY, migrate_set_capabilities_background_snapshot=(
            qmp.QmpCommandError('x', 'GenericError', 'not supported')))
        chosen, reason = route.choose(one, 64 * GIB, 1)
        assert chosen == route.MIGRATE
        assert 'not supported' in reason and '/dev/userfaultfd' in reason
        assert one.left_on() == set()

    @pytest.mark.parametrize('blocks', ['', 'unknown command\n',
                                        'Block Name\na b c d zz f g rw\n'])
    def test_what_is_not_understood_is_not_relied_upon(self, blocks):
        assert route.other_memory(blocks) is None
        assert route.choose(qemu(blocks), 64 * GIB, 1)[0] == route.MIGRATE

    def test_other_memory(self):
        assert route.other_memory(BLOCKS) == 16 << 20
        assert route.other_memory(NO_DISPLAY) == 0


def disk(ro=False, **cache):
    return [{'device': '', 'qdev': 'cdrom'}, {
        'device': '', 'qdev': 'virtio0', 'inserted': {
            'node-name': 'disk', 'ro': ro, 'cache': dict(
                {'writeback': True, 'direct': True, 'no-flush': False},
                **cache)}}]


class TestObstacles:

    @pytest.mark.parametrize('found', [
        disk(), disk(writeback=False), disk(writeback=False, direct=False),
        disk(ro=True, direct=False), []])
    def test_safe_disks(self, found):
        assert blockers.disks(FakeQemu(query_block=found), False, 1) is None

    @pytest.mark.parametrize('found, paged, said', [
        (disk(direct=False), False, 'cache=writeback'),
        (disk(**{'no-flush': True}), False, 'cache=unsafe'),
        (disk(), True, 'direct I/O'),
        (disk(direct=False), True, 'cache=writeback')])
    def test_unsafe_disks(self, found, paged, said):
        reason, remedy = blockers.disks(FakeQemu(query_block=found), paged,
                                        1)
        assert 'virtio0' in reason and said in reason
        assert ('writethrough' in remedy) == paged

    def test_paged_memory_takes_buffered_writes(self):
        found = disk(writeback=False, direct=False)
        assert blockers.disks(FakeQemu(query_block=found), True, 1) is None

    @pytest.mark.parametrize('room, largest, fits', [
        (17 << 20, 0, True), ((17 << 20) - 1, 0, False),
        (32 << 20, 33 << 20, False)])
    def test_state_size(self, room, largest, fits):
        found = blockers.state_size(qemu(BLOCKS), room, largest, 1)
        assert (found is None) == fits

    def test_blockers(self):
        one = FakeQemu(query_migrate={'blocked-reasons': ['a', 'b']})
        assert blockers.blocked_reasons(one, 1)[0] == 'a; b'
        assert blockers.blocked_reasons(FakeQemu(query_migrate={}), 1) is None

    def test_swap(self):
        sound = vpm.RegionStats(1, 2, 3, 4, 5, 6, 7, False, None)
        assert blockers.swap(sound) is None
        reason, remedy = blockers.swap(dataclasses.replace(
            sound, error='a page could not be written'))
        assert reason == 'a page could not be written'
        assert 'swap_dir' in remedy
