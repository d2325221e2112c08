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

"""A QMP client that answers what a test says."""

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


class FakeQmp:
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


def qmp(blocks, kvm=True, **answers):
    """Return a FakeQmp of a QEMU with these blocks of memory."""
    return FakeQmp(query_kvm={'enabled': kvm},
                   human_monitor_command=blocks, **answers)
