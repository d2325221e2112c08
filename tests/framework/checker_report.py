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

"""What the guest that checks all that it has says, struct report in guest.h.

It needs nothing but the standard library: the laboratory's machine has it,
too.
"""

import struct

# In the guest's memory. Until it has begun, something else is there.
ADDRESS = 0x9000
MAGIC = 0x56504d21

_WORDS = ('magic', 'cpus', 'boots', 'filled', 'wrong', 'address', 'expected',
          'found', 'disk_reads', 'disk_writes', 'frames_sent',
          'frames_received')
# After them: steps of each CPU.
_CPUS_MOST = 8

# In words of 32 bits.
LENGTH = len(_WORDS) + _CPUS_MOST


class Report:
    """What a guest found."""

    def __init__(self, words):
        words = list(words)
        self.__dict__.update(zip(_WORDS, words))
        self.steps = words[len(_WORDS):]

    @classmethod
    def of_memory(cls, path):
        """Read it in a file that is the guest's memory."""
        with open(path, 'rb') as memory:
            memory.seek(ADDRESS)
            return cls(struct.unpack('<%dI' % LENGTH,
                                     memory.read(4 * LENGTH)))

    @property
    def is_there(self):
        """Whether the guest has begun to say something."""
        return self.magic == MAGIC

    def check(self):
        """Fail when anything was wrong."""
        assert self.wrong == 0, (
            'at 0x%x: 0x%x instead of 0x%x (enum wrong in guest.h: %d)' % (
                self.address, self.found, self.expected, self.wrong))
