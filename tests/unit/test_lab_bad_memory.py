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

"""Where the laboratory finds a block of a file that is to go bad."""

from unittest import mock

import pytest

# "make install" installs it.
bad_memory = pytest.importorskip('lab.bad_memory')

LISTING = """\
Filesystem type is: ef53
File size of /x/ram is 16777216 (4096 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..    2047:      34816..     36863:   2048:
   1:     2048..    4095:      69632..     71679:   2048:      36864: last,eof
/x/ram: 2 extents found
"""


def sector(block):
    agent = mock.Mock()
    agent.ask.return_value = LISTING
    return bad_memory.sector(agent, 'uuid', 'ram', block)


@pytest.mark.parametrize('block, physical', [
    (0, 34816), (2047, 36863), (2048, 69632), (4095, 71679)])
def test_sector_of_a_block(block, physical):
    assert sector(block) == physical * 8


def test_block_behind_the_end():
    with pytest.raises(ValueError, match='ram has no block 4096'):
        sector(4096)
