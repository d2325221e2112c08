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


"""What a region's pager notes in its page table."""

import errno
import os
import struct

# enum vpm_region_error
SWAP_IN = 1
SWAP_OUT = 3

# Where struct vpm_ppt_status is.
_STATUS = 4096


def note_error(region, error):
    """Note an I/O error on page 7 and slot 9, as the pager of a region does.

    :param error: SWAP_IN or SWAP_OUT
    """
    with open(os.path.join(region.directory, 'ppt'), 'r+b') as page_table:
        page_table.seek(_STATUS)
        page_table.write(struct.pack('<IIQQ', errno.EIO, error, 7, 9))
